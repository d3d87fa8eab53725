"""The SDK's exceptions, as subclasses of this library's.

The SDK raises `DeepintHTTPError` for whatever goes wrong with a request. Here that is what the service refuses in a
code of its own; a wrong token is an `AuthError`, an overloaded service a `ServiceError`, a task that does not exist
`TaskNotFound`, so that a caller can pick by what they can do next.
"""

from __future__ import annotations

from typing import Any

from aiotasks import AiotasksError, InvalidArgument, QueryRefused, TaskFailed

__all__ = ["DeepintBaseError", "DeepintCredentialsError", "DeepintHTTPError", "DeepintTaskError"]


class DeepintBaseError(AiotasksError):
    """The parent of this platform's errors.

    Attributes:
        code: what kind of error it is, in the platform's or the SDK's word, as in `TASK_OUT_OF_MEMORY`.
        message: its description.
    """

    code: str
    message: str

    def __init__(self, message: str, *, code: str, **known: Any) -> None:
        super().__init__(f"{code}: {message}", **known)
        self.code = code
        self.message = message


class DeepintCredentialsError(DeepintBaseError, InvalidArgument):
    """No token was given, and neither the environment nor `~/.deepint.ini` has one."""


class DeepintHTTPError(DeepintBaseError, QueryRefused):
    """The service refuses a request, in a code of its own. Repeating it does not help."""


class DeepintTaskError(DeepintBaseError, TaskFailed):
    """The job failed; `code` is `TASK_` and the platform's own, as in the SDK."""
