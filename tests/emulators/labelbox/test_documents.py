"""GraphQL documents run as GraphQL says, whatever form they take."""

from __future__ import annotations

import pytest

_FIELDS = "completionPercentage createdAt errors metadata name result status status type id updatedAt"


async def test_document_of_the_sdk_gives_exactly_the_selected_keys(client):
    """Literals without commas, `status` twice, two variables numbered inside out: as the SDK writes it."""
    [task] = client.emulator.create_tasks()
    user = (await client.ask("query GetUserPyApi { user { id } }"))["user"]["id"]
    data = await client.ask(
        "query GetUserCreatedTasksPyApi($param_0: ID!, $param_1: ID!){user(where: {id: $param_1}){"
        f"createdTasks(where: {{id: $param_0}} skip: 0 first: 100){{{_FIELDS}}}}}}}",
        param_0=task["id"],
        param_1=user,
    )
    [shown] = data["user"]["createdTasks"]
    assert set(shown) == set(_FIELDS.split())
    assert (shown["id"], shown["status"], shown["type"]) == (task["id"], "IN_PROGRESS", "adv-upsert-data-rows")


async def test_aliases_give_one_entry_each(client):
    """Many tasks are asked for under aliases; one that is not there is an empty list and no error."""
    first, second = client.emulator.create_tasks(count=2)
    data = await client.ask(
        "query($t0: ID!, $t1: ID!, $t2: ID!) { user { a0: createdTasks(where: {id: $t0} first: 1) { id }"
        " a1: createdTasks(where: {id: $t1} first: 1) { id } a2: createdTasks(where: {id: $t2}) { id } } }",
        t0=first["id"],
        t1="nobody",
        t2=second["id"],
    )
    assert data == {"user": {"a0": [{"id": first["id"]}], "a1": [], "a2": [{"id": second["id"]}]}}


async def test_fields_are_merged_across_fragments(client):
    """Equal keys from fragments, inline fragments and the field itself make one object."""
    data = await client.ask(
        "query { user { id ...A ... on User { organization { name } } ... { organization { __typename } } } }"
        " fragment A on User { __typename organization { id } }"
    )
    assert data["user"]["__typename"] == "User"
    assert set(data["user"]["organization"]) == {"id", "name", "__typename"}
    assert data["user"]["organization"]["__typename"] == "Organization"


async def test_literals_and_variables_mix_in_one_argument(client):
    """A filter may take one value from the text and another from a variable, or leave a variable out."""
    client.emulator.create_tasks(type="a")
    [task] = client.emulator.create_tasks(type="b")
    query = (
        "query($type: String, $skip: Int = 0) { user { createdTasks("
        "where: {AND: [{type: $type}, {status: IN_PROGRESS}]} skip: $skip orderBy: createdAt_DESC) { id } } }"
    )
    assert len((await client.ask(query))["user"]["createdTasks"]) == 2
    assert (await client.ask(query, type="b"))["user"]["createdTasks"] == [{"id": task["id"]}]


async def test_single_value_stands_for_a_list(client):
    """GraphQL takes one value where a list is due."""
    [task] = client.emulator.create_tasks()
    for head, where in [
        ("query", f'{{id_in: "{task["id"]}"}}'),
        ("query($id: ID!)", "{AND: {id: $id}}"),
        ("query($id: ID!)", "{AND: [{id_in: [$id]}]}"),
    ]:
        data = await client.ask(f"{head} {{ user {{ createdTasks(where: {where}) {{ id }} }} }}", id=task["id"])
        assert data["user"]["createdTasks"] == [{"id": task["id"]}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("query { user { id }", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ " * 5_000, "GRAPHQL_PARSE_FAILED"),
        ("query { user { nonsense } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { dataUpsertTask { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { user(where: {id: $a}) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($a: String!) { user(where: {id: $a}) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { user { createdTasks(where: {status: DONE}) { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { user { createdTasks(where: {OR: []}) { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { __schema { types { name } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { user { id @skip(if: true) } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { user { id } } query B { user { id } }", "BAD_USER_INPUT"),
        ("subscription { user { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment A on User { id }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_document_that_is_not_valid_is_refused(client, query, code):
    """400 with the code that Apollo gives; the server stays well."""
    status, found, _ = await client.refused(query)
    assert (status, found) == (400, code)
    assert await client.ask("{ user { id } }")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ID!", None),
        ("ID!", True),
        ("[ID!]!", ["a", None]),
        ("TaskStatus!", "DONE"),
        ("DateTime!", "yesterday"),
        ("WhereUniqueIdInput!", {"id": "a", "name": "b"}),
        ("WhereUniqueIdInput!", {}),
        ("WhereUniqueIdInput!", "a"),
        ("Int!", 2**40),
        ("Float!", "1"),
        ("String!", 1),
        ("Boolean!", 0),
    ],
)
async def test_variable_of_a_wrong_kind_is_refused(client, kind, value):
    """A variable that its declared type does not allow is BAD_USER_INPUT, with its name."""
    places = {
        "ID!": "user { createdTasks(where: {id: $v}) { id } }",
        "[ID!]!": "user { createdTasks(where: {id_in: $v}) { id } }",
        "TaskStatus!": "user { createdTasks(where: {status: $v}) { id } }",
        "DateTime!": "user { createdTasks(where: {updatedAt_gt: $v}) { id } }",
        "WhereUniqueIdInput!": "user(where: $v) { id }",
        "Int!": "user { createdTasks(skip: $v) { id } }",
        "Float!": "user { createdTasks(where: {completionPercentage: $v}) { id } }",
        "String!": "user { createdTasks(where: {name: $v}) { id } }",
        "Boolean!": 'updateDataset(where: {id: "a"} data: {deleted: $v}) { id }',
    }
    operation = "mutation" if kind == "Boolean!" else "query"
    status, code, message = await client.refused(f"{operation}($v: {kind}) {{ {places[kind]} }}", v=value)
    assert (status, code) == (400, "BAD_USER_INPUT")
    assert '"$v"' in message


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "3", '{"query": 3}', '{"query": "{user{id}}", "variables": []}', "{}"]
)
async def test_body_that_is_no_graphql_request_is_refused(client, body):
    """Always JSON below 500: the SDK cannot read anything else."""
    headers = {"Authorization": f"Bearer {client.emulator.api_key}"}
    async with client.session.post(client.url, data=body, headers=headers) as response:
        answer = await response.json()
    assert response.status == 400
    assert answer["errors"][0]["extensions"]["code"] in {"MALFORMED_REQUEST", "GRAPHQL_PARSE_FAILED"}


async def test_error_of_one_alias_leaves_the_others(client):
    """Data and errors come together, each error with its path."""
    good, bad = client.emulator.create_tasks(count=2)
    client.emulator.fault(failing=[bad["id"]], failing_code="RESOURCE_CONFLICT")
    status, answer = await client.send(
        "query($a: ID!, $b: ID!) { user { a0: createdTasks(where: {id: $a}) { id }"
        " a1: createdTasks(where: {id: $b}) { id } } }",
        {"a": good["id"], "b": bad["id"]},
    )
    assert status == 200
    assert answer["data"] == {"user": {"a0": [{"id": good["id"]}], "a1": None}}
    [error] = answer["errors"]
    assert error["path"] == ["user", "a1"]
    assert error["extensions"] == {"code": "RESOURCE_CONFLICT"}


async def test_error_of_one_id_of_a_list_leaves_the_others(client):
    """Among several ids the failing one is null at its place, with an error that points there."""
    tasks = client.emulator.create_tasks(count=3)
    ids = [task["id"] for task in tasks]
    client.emulator.fault(failing=[ids[1]])
    _, answer = await client.send(
        "query($ids: [ID!]) { user { createdTasks(where: {id_in: $ids}) { id } } }", {"ids": ids}
    )
    assert answer["data"]["user"]["createdTasks"] == [{"id": ids[0]}, None, {"id": ids[2]}]
    assert [error["path"] for error in answer["errors"]] == [["user", "createdTasks", 1]]
