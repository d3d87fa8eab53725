"""From a document's text to its plan: parsed and validated by graphql-core, compiled once, kept.

Introspection is refused, as Apollo Server does in production. So are directives, which nobody sends.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import attrs
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    get_named_type,
    parse,
    specified_rules,
    type_from_ast,
    validate,
    value_from_ast_untyped,
)

from aiotasks.emulators.labelbox.execution import Call, Field, Plan, Refusal
from aiotasks.emulators.labelbox.values import MISSING, evaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Engine"]

#: Documents whose plans are kept. A client that puts ids into the text instead of variables gets nothing from
#: this, as on a real server.
_PLANS: Final = 512
_RULES: Final = (*specified_rules, NoSchemaIntrospectionCustomRule)


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
        if errors := validate(self._schema, document, _RULES, max_errors=1):
            raise Refusal(errors[0].message, "GRAPHQL_VALIDATION_FAILED", http_status=400)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) != 1:
            message = "Must provide operation name if query contains multiple operations."
            raise Refusal(message, "BAD_USER_INPUT", http_status=400)
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
            message = f"Schema is not configured for {operation.operation.value}."
            raise Refusal(message, "GRAPHQL_VALIDATION_FAILED", http_status=400)
        declared = {
            node.variable.name.value: (type_from_ast(self._schema, node.type), _default(node))
            for node in operation.variable_definitions or ()
        }
        sets = [operation.selection_set]
        fields = self._selection(root, sets)
        return Plan(self._names(root, sets), tuple(self._calls), self._cost, declared, fields)

    def _selection(self, parent: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> tuple[Field, ...]:
        return tuple(self._field(parent, key, nodes) for key, nodes in self._collected(parent, sets).items())

    def _names(self, parent: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> frozenset[str]:
        return frozenset(nodes[0].name.value for nodes in self._collected(parent, sets).values())

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
                message = "Directives are not supported here"
                raise Refusal(message, "GRAPHQL_VALIDATION_FAILED", http_status=400)
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
            if condition is None or condition.name.value == parent.name:
                yield from self._opened(parent, fragment.selection_set.selections)

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Field:
        name = nodes[0].name.value
        if name == "__typename":
            typename = parent.name
            return Field(key, lambda source, context: typename, {}, None)
        definition = parent.fields[name]
        named = get_named_type(definition.type)
        # No value of a union is ever given (there are no integrations), so there is nothing to plan for one.
        kind = named if isinstance(named, GraphQLObjectType) else None
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        arguments = {
            node.name.value: evaluator(node.value, definition.args[node.name.value].type)
            for node in nodes[0].arguments or ()
        }
        if arguments:
            selected = self._names(kind, sets) if kind else frozenset()
            self._calls.append(Call(f"{parent.name}.{name}", selected, arguments))
        if named.name == self._costly:
            self._cost += 1
        return Field(
            key=key,
            resolve=self._resolvers.get(parent.name, {}).get(name) or _key(name),
            arguments=arguments,
            fields=self._selection(kind, sets) if kind else None,
        )


def _default(node: VariableDefinitionNode) -> Any:
    return MISSING if node.default_value is None else value_from_ast_untyped(node.default_value)


def _key(name: str) -> Callable[..., Any]:
    return lambda source, context: source[name]
