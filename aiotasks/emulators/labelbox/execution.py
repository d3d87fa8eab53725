"""Runs GraphQL documents: parsed and validated by graphql-core, executed by plans made once per document.

graphql-core's own executor spends 4 us on each selected value, which makes the emulator, not the client, the
slow side of a benchmark (120 ms for 5,000 tasks). A plan resolves names, fragments, aliases and constant
arguments when the document is first seen; running it is then a walk over tuples.

Not supported, and refused as Apollo Server does in production: introspection, and subscriptions, which the
schema has none of.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    ListValueNode,
    NoSchemaIntrospectionCustomRule,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    parse,
    specified_rules,
    type_from_ast,
    validate,
    value_from_ast_untyped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Call", "Engine", "Plan", "Refusal"]

#: Documents whose plans are kept. A client that puts ids into the text instead of variables gets nothing from
#: this, as on a real server.
_PLANS: Final = 512
_MISSING: Final = object()

Resolver = "Callable[..., Any]"
Path = tuple[Any, ...]


class Refusal(Exception):  # an answer, not a fault of ours
    """Something that is answered with an entry under `errors`.

    Raised by a resolver it makes the nearest nullable field null; found in a list it does so for that entry
    alone.
    """

    def __init__(
        self, message: str, code: str, *, http_status: int = 200, exception: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status
        self._exception = exception

    def entry(self, path: Sequence[Any] | None = None) -> dict[str, Any]:
        """The entry, as Apollo Server writes it."""
        extensions: dict[str, Any] = {"code": self.code}
        if self._exception is not None:
            extensions["exception"] = self._exception
        entry: dict[str, Any] = {"message": str(self), "extensions": extensions}
        if path is not None:
            entry["path"] = list(path)
        return entry


# --- input values -----------------------------------------------------------------------------------


def _identifier(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"ID cannot represent value: {value!r}")


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31:
        return value
    raise ValueError(f"Int cannot represent value: {value!r}")


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"Float cannot represent value: {value!r}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"String cannot represent a non string value: {value!r}")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"Boolean cannot represent a non boolean value: {value!r}")


def _instant(value: Any) -> float:
    """Seconds since 1970."""
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError):
        raise ValueError(f"DateTime cannot represent value: {value!r}") from None


def _unsigned(value: Any) -> int:
    """A number or a numeric string: the SDK sends offsets as text."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    raise ValueError(f"UInt64 cannot represent value: {value!r}")


def _anything(value: Any) -> Any:
    return value


_SCALARS: Final[dict[str, Callable[[Any], Any]]] = {
    "ID": _identifier,
    "Int": _whole,
    "Float": _number,
    "String": _text,
    "Boolean": _truth,
    "DateTime": _instant,
    "UInt64": _unsigned,
    "Json": _anything,
    "Upload": _anything,
}


def _coerced(value: Any, kind: Any) -> Any:
    """The value as the input type has it. Raises `ValueError`."""
    if isinstance(kind, GraphQLNonNull):
        if value is None:
            raise ValueError(f"Expected non-nullable type {kind} not to be null.")
        return _coerced(value, kind.of_type)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        return [_coerced(item, kind.of_type) for item in (value if isinstance(value, list) else [value])]
    if isinstance(kind, GraphQLEnumType):
        if not isinstance(value, str) or value not in kind.values:
            raise ValueError(f"Value {value!r} does not exist in {kind.name!r} enum.")
        return value
    if isinstance(kind, GraphQLInputObjectType):
        return _coerced_object(value, kind)
    return _SCALARS[kind.name](value)


def _coerced_object(value: Any, kind: GraphQLInputObjectType) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"Expected type {kind.name!r} to be a mapping.")  # noqa: TRY004  # as all misfits
    for name in value:
        if name not in kind.fields:
            raise ValueError(f"Field {name!r} is not defined by type {kind.name!r}.")
    for name, field in kind.fields.items():
        if isinstance(field.type, GraphQLNonNull) and name not in value:
            raise ValueError(f"Field {name!r} of required type {field.type} was not provided.")
    return {name: _coerced(item, kind.fields[name].type) for name, item in value.items()}


def _has_variables(node: ValueNode) -> bool:
    if isinstance(node, VariableNode):
        return True
    if isinstance(node, ListValueNode):
        return any(map(_has_variables, node.values))
    if isinstance(node, ObjectValueNode):
        return any(_has_variables(field.value) for field in node.fields)
    return False


def _evaluator(node: ValueNode, kind: Any) -> Callable[[Mapping[str, Any]], Any]:
    """What gives the node's value for some variables; `_MISSING` for a variable that was left out."""
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda variables: variables.get(name, _MISSING)
    if not _has_variables(node):
        constant = _coerced(value_from_ast_untyped(node), kind)
        return lambda _: constant
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(node, ListValueNode):
        items = [_evaluator(item, kind.of_type) for item in node.values]
        return lambda variables: [None if (value := item(variables)) is _MISSING else value for item in items]
    if isinstance(kind, GraphQLList):  # a single value stands for a list of one
        single = _evaluator(node, kind.of_type)
        return lambda variables: [single(variables)]
    if not isinstance(node, ObjectValueNode):
        raise TypeError(f"a {type(node).__name__} has no variables")
    fields = {field.name.value: _evaluator(field.value, kind.fields[field.name.value].type) for field in node.fields}
    return lambda variables: _evaluated(fields, variables)


def _evaluated(
    evaluators: Mapping[str, Callable[[Mapping[str, Any]], Any]], variables: Mapping[str, Any]
) -> dict[str, Any]:
    values = {name: evaluate(variables) for name, evaluate in evaluators.items()}
    return {name: value for name, value in values.items() if value is not _MISSING}


# --- plans ------------------------------------------------------------------------------------------


@attrs.frozen
class Call:
    """A field with arguments, wherever it stands in the document:

    what it asks for can be read before it is carried out.
    """

    where: str
    """The field's place in the schema, `User.createdTasks`."""
    selects: frozenset[str]
    """Names of the fields selected under it."""
    _arguments: Mapping[str, Callable[[Mapping[str, Any]], Any]]

    def arguments(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Its arguments for some variables."""
        return _evaluated(self._arguments, variables)


@attrs.define(eq=False)
class _Field:
    """One entry of a result object: its key, where its value comes from, and what is selected of it."""

    key: str
    resolve: Callable[..., Any]
    arguments: Mapping[str, Callable[[Mapping[str, Any]], Any]]
    nullable: bool
    nullable_items: bool
    selections: Mapping[str, tuple[_Field, ...]] | None
    """For each object type the value may have, what is selected; None for a leaf."""


@attrs.define(eq=False)
class _Run:
    """One execution of a plan."""

    variables: Mapping[str, Any]
    context: Any
    errors: list[dict[str, Any]] = attrs.Factory(list)

    def object(self, fields: tuple[_Field, ...], source: Any, path: Path) -> dict[str, Any]:
        context = self.context
        result: dict[str, Any] = {}
        for field in fields:
            try:
                if field.arguments:
                    value = field.resolve(source, context, **_evaluated(field.arguments, self.variables))
                else:
                    value = field.resolve(source, context)
                if field.selections is not None and value is not None:
                    value = self._complete(field, field.selections, value, path)
            except Refusal as refusal:
                if not field.nullable:
                    raise
                self.errors.append(refusal.entry((*path, field.key)))
                value = None
            result[field.key] = value
        return result

    def _complete(self, field: _Field, selections: Mapping[str, tuple[_Field, ...]], value: Any, path: Path) -> Any:
        place = (*path, field.key)
        if not isinstance(value, list):
            return self.object(_selected(selections, value), value, place)
        return [self._item(field, selections, item, (*place, index)) for index, item in enumerate(value)]

    def _item(self, field: _Field, selections: Mapping[str, tuple[_Field, ...]], item: Any, path: Path) -> Any:
        if isinstance(item, Refusal):
            if not field.nullable_items:
                raise item
            self.errors.append(item.entry(path))
            return None
        return self.object(_selected(selections, item), item, path)


def _selected(selections: Mapping[str, tuple[_Field, ...]], value: Any) -> tuple[_Field, ...]:
    """The selection for a value; of a union, the value tells its type."""
    if len(selections) == 1:
        return next(iter(selections.values()))
    return selections[value["__typename"]]


@attrs.frozen(eq=False)
class Plan:
    """A document, ready to run."""

    operation: str
    """`query` or `mutation`."""
    roots: frozenset[str]
    """Names of its root fields."""
    calls: tuple[Call, ...]
    """Its fields with arguments."""
    cost: int
    """How many of its fields give tasks, each alias counted."""
    _declared: Mapping[str, tuple[Any, Any]]
    _fields: tuple[_Field, ...]

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The variables as their types have them. Raises `Refusal`."""
        values = {}
        for name, (kind, default) in self._declared.items():
            if name not in given and not isinstance(kind, GraphQLNonNull):
                if default is not _MISSING:
                    values[name] = default
                continue
            if name not in given and default is not _MISSING:
                values[name] = default
                continue
            try:
                values[name] = _coerced(given.get(name), kind)
            except ValueError as error:
                raise Refusal(
                    f'Variable "${name}" got invalid value; {error}', "BAD_USER_INPUT", http_status=400
                ) from None
        return values

    def run(self, variables: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """The whole answer: `data`, and `errors` if there are any."""
        run = _Run(variables, context)
        answer: dict[str, Any] = {}
        try:
            answer["data"] = run.object(self._fields, None, ())
        except Refusal as refusal:
            answer["data"] = None
            run.errors.append(refusal.entry(()))
        if run.errors:
            answer["errors"] = run.errors
        return answer


class Engine:
    """Makes plans for one schema and keeps them.

    Args:
        schema: The schema.
        resolvers: For each object type and field, `resolve(source, context, **arguments)`; a field without
            one is a key of a mapping.
        costly: Object type whose fields count as cost.
    """

    def __init__(
        self, schema: GraphQLSchema, resolvers: Mapping[str, Mapping[str, Callable[..., Any]]], costly: str
    ) -> None:
        self._schema = schema
        self._resolvers = resolvers
        self._costly = costly
        self._rules = (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    def plan(self, text: str) -> Plan:
        """The plan for a document. Raises `Refusal` for one that is not valid."""
        plan = self._plans.get(text)
        if plan is not None:
            self._plans.move_to_end(text)
            return plan
        plan = self._made(text)
        self._plans[text] = plan
        if len(self._plans) > _PLANS:
            self._plans.popitem(last=False)
        return plan

    def _made(self, text: str) -> Plan:
        try:
            document = parse(text, no_location=True)
        except GraphQLError as error:
            raise Refusal(error.message, "GRAPHQL_PARSE_FAILED", http_status=400) from None
        except RecursionError:
            raise Refusal("Document is nested too deeply", "GRAPHQL_PARSE_FAILED", http_status=400) from None
        if errors := validate(self._schema, document, self._rules, max_errors=1):
            raise Refusal(errors[0].message, "GRAPHQL_VALIDATION_FAILED", http_status=400)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) != 1:
            raise Refusal(
                "Must provide operation name if query contains multiple operations.",
                "BAD_USER_INPUT",
                http_status=400,
            )
        fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        return _Planner(self._schema, self._resolvers, self._costly, fragments).plan(operations[0])


@attrs.define(eq=False)
class _Planner:
    """Makes one plan."""

    _schema: GraphQLSchema
    _resolvers: Mapping[str, Mapping[str, Callable[..., Any]]]
    _costly: str
    _fragments: Mapping[str, FragmentDefinitionNode]
    _calls: list[Call] = attrs.Factory(list)
    _cost: int = 0

    def plan(self, operation: OperationDefinitionNode) -> Plan:
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            raise Refusal(
                f"Schema is not configured for {operation.operation.value}.",
                "BAD_USER_INPUT",
                http_status=400,
            )
        declared = {}
        for node in operation.variable_definitions or ():
            kind = type_from_ast(self._schema, node.type)
            default = (
                _MISSING if node.default_value is None else _coerced(value_from_ast_untyped(node.default_value), kind)
            )
            declared[node.variable.name.value] = (kind, default)
        fields = self._selection(root, [operation.selection_set])
        return Plan(
            operation=operation.operation.value,
            roots=frozenset(
                nodes[0].name.value for nodes in self._collected(root, [operation.selection_set]).values()
            ),
            calls=tuple(self._calls),
            cost=self._cost,
            declared=declared,
            fields=fields,
        )

    def _selection(self, parent: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> tuple[_Field, ...]:
        return tuple(self._field(parent, key, nodes) for key, nodes in self._collected(parent, sets).items())

    def _collected(self, parent: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """The fields under each key of the result: equal keys are merged, fragments are opened."""
        collected: dict[str, list[FieldNode]] = {}
        for selections in sets:
            for node in self._opened(parent, selections.selections):
                collected.setdefault((node.alias or node.name).value, []).append(node)
        return collected

    def _opened(self, parent: GraphQLObjectType, nodes: Sequence[SelectionNode]) -> Iterator[FieldNode]:
        for node in nodes:
            if node.directives:
                raise Refusal("Directives are not supported here", "GRAPHQL_VALIDATION_FAILED", http_status=400)
            if isinstance(node, FieldNode):
                yield node
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
            elif isinstance(node, InlineFragmentNode):
                fragment = node
            else:
                raise TypeError(f"a {type(node).__name__} is no selection")
            condition = fragment.type_condition
            if condition is None or self._applies(condition.name.value, parent):
                yield from self._opened(parent, fragment.selection_set.selections)

    def _applies(self, condition: str, parent: GraphQLObjectType) -> bool:
        named = self._schema.type_map[condition]
        return named is parent or (isinstance(named, GraphQLUnionType) and parent in named.types)

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> _Field:
        name = nodes[0].name.value
        if name == "__typename":
            typename = parent.name
            return _Field(key, lambda source, context: typename, {}, False, False, None)
        definition = parent.fields[name]
        named = get_named_type(definition.type)
        if named.name == self._costly:
            self._cost += 1
        arguments = {
            node.name.value: _evaluator(node.value, _type_of(definition.args[node.name.value]))
            for node in nodes[0].arguments or ()
        }
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if arguments:
            self._calls.append(Call(f"{parent.name}.{name}", frozenset(self._selected_names(sets)), arguments))
        inner = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
        return _Field(
            key=key,
            resolve=self._resolvers.get(parent.name, {}).get(name) or _key(name),
            arguments=arguments,
            nullable=not isinstance(definition.type, GraphQLNonNull),
            nullable_items=isinstance(inner, GraphQLList) and not isinstance(inner.of_type, GraphQLNonNull),
            selections={kind.name: self._selection(kind, sets) for kind in _objects(named)} or None,
        )

    def _selected_names(self, sets: Sequence[SelectionSetNode]) -> Iterator[str]:
        for selections in sets:
            for node in selections.selections:
                if isinstance(node, FieldNode):
                    yield node.name.value
                elif isinstance(node, InlineFragmentNode):
                    yield from self._selected_names([node.selection_set])
                elif isinstance(node, FragmentSpreadNode):
                    yield from self._selected_names([self._fragments[node.name.value].selection_set])


def _type_of(argument: GraphQLArgument) -> Any:
    return argument.type


def _objects(named: Any) -> tuple[GraphQLObjectType, ...]:
    """The object types a value of this type may have; none for a leaf."""
    if isinstance(named, GraphQLObjectType):
        return (named,)
    return tuple(named.types) if isinstance(named, GraphQLUnionType) else ()


def _key(name: str) -> Callable[..., Any]:
    return lambda source, context: source[name]
