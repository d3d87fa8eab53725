"""The part of Labelbox's GraphQL schema that task work needs, in GraphQL's own language.

Source: the documents that labelbox 7.17.0 sends, seen on the wire. `id_in` and the fields of a root `task` are
guesses: the API is Prisma-like. Nullable fields are deliberate: an error under one alias leaves the others standing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from graphql import GraphQLSchema, build_schema

__all__ = ["schema"]

_TASK_FIELDS: Final = {
    "id": "ID",
    "name": "String",
    "type": "String",
    "status": "TaskStatus",
    "completionPercentage": "Float",
    "createdAt": "DateTime",
    "updatedAt": "DateTime",
}
_OPERATORS: Final = ("", "_not", "_lt", "_gt", "_lte", "_gte")
_FILTERS: Final = "\n".join(
    f"  {field}{operator}: {kind}" for field, kind in _TASK_FIELDS.items() for operator in _OPERATORS
)
_ORDERS: Final = " ".join(f"{field}_{way}" for field in _TASK_FIELDS for way in ("ASC", "DESC"))

_DEFINITIONS: Final = """
scalar DateTime
scalar Json
scalar UInt64
scalar Upload

type Query {
  user(where: WhereUniqueIdInput): User
  organization: Organization
  task(where: WhereUniqueIdInput): Task
  dataset(where: WhereUniqueIdInput!): Dataset
  iamIntegrations: [IAMIntegration!]!
  cancelableTaskTypes: [String!]!
  successesfulDataRowImports(data: DataRowImportsInput!): SuccessfulImports
  failedDataRowImports(data: DataRowImportsInput!): FailedImports
}

type Mutation {
  createDataset(data: DatasetCreateInput!): Dataset
  updateDataset(where: WhereUniqueIdInput!, data: DatasetUpdateInput!): Dataset
  uploadFile(file: Upload!, contentLength: Int!, sign: Boolean): UploadedFile
  upsertDataRows(data: UpsertDataRowsInput!): Task
  cancelBulkOperationJob(id: ID!): Cancellation
  exportDataRowsInCatalog(input: ExportDataRowsInCatalogInput!): ExportStarted
  exportDataRowsInProject(input: ExportDataRowsInProjectInput!): ExportStarted
  exportDataRowsInSlice(input: ExportDataRowsInSliceInput!): ExportStarted
  exportDataRowsInModelRun(input: ExportDataRowsInModelRunInput!): ExportStarted
}

input WhereUniqueIdInput { id: ID! }

type User {
  id: ID!
  email: String
  name: String
  nickname: String
  picture: String
  timezone: String
  isExternalUser: Boolean
  isViewer: Boolean
  lastLoginAt: DateTime
  createdAt: DateTime
  updatedAt: DateTime
  organization: Organization
  createdTasks(where: TaskWhereInput, skip: Int, first: Int, orderBy: TaskOrderByInput): [Task]
}

type Organization {
  id: ID!
  name: String
  createdAt: DateTime
  updatedAt: DateTime
  tasks(where: TaskWhereInput, skip: Int, first: Int, orderBy: TaskOrderByInput): [Task]
}

enum TaskStatus { IN_PROGRESS COMPLETE CANCELLING CANCELED FAILED UNKNOWN }
enum TaskOrderByInput { %(orders)s }

input TaskWhereInput {
%(filters)s
  AND: [TaskWhereInput!]
}

type Task {
  id: ID!
  name: String
  type: String
  status: TaskStatus
  completionPercentage: Float
  createdAt: DateTime
  updatedAt: DateTime
  result: String
  errors: String
  metadata: Json
  createdBy: User
  organization: Organization
  exportMetadataHeader(streamType: TaskStreamType!): ExportMetadataHeader
  exportFileFromOffset(streamType: TaskStreamType!, offset: UInt64!): ExportFile
  exportFileFromLine(streamType: TaskStreamType!, line: UInt64!): ExportFile
}

enum TaskStreamType { RESULT ERRORS }
type ExportMetadataHeader { totalSize: UInt64! totalLines: UInt64! }
type ExportFile { offsets: Range! lines: Range! file: String! }
type Range { start: UInt64! end: UInt64! }

type Dataset {
  id: ID!
  name: String
  description: String
  rowCount: Int
  createdAt: DateTime
  updatedAt: DateTime
  createdBy: User
  organization: Organization
}

input DatasetCreateInput { name: String! description: String }
input DatasetUpdateInput { name: String description: String deleted: Boolean }

type IAMIntegration {
  id: ID!
  name: String
  provider: String
  valid: Boolean
  lastValidAt: DateTime
  isOrgDefault: Boolean
  createdAt: DateTime
  updatedAt: DateTime
  settings: IAMIntegrationSettings
}
union IAMIntegrationSettings = AwsIamIntegrationSettings | GcpIamIntegrationSettings
type AwsIamIntegrationSettings { roleArn: String }
type GcpIamIntegrationSettings { serviceAccountEmailId: String readBucket: String }

type UploadedFile { url: String! filename: String! }
input UpsertDataRowsInput { manifestUri: String! }
type Cancellation { success: Boolean! }

input ExportDataRowsInCatalogInput { %(export)s }
input ExportDataRowsInProjectInput { %(export)s }
input ExportDataRowsInSliceInput { %(export)s }
input ExportDataRowsInModelRunInput { %(export)s }
type ExportStarted { taskId: ID! isStreamable: Boolean! }

input DataRowImportsInput { taskId: ID! first: Int from: String }
type SuccessfulImports { nodes: [ImportedRow!]! after: String total: Int }
type FailedImports { results: [FailedRow!]! after: String total: Int }
type ImportedRow { id: ID! externalId: String globalKey: String rowData: Json }
type FailedRow { message: String spec: RowSpec }
type RowSpec {
  externalId: String
  globalKey: String
  rowData: Json
  metadata: [RowMetadata!]
  attachments: [RowAttachment!]
}
type RowMetadata { schemaId: ID value: Json name: String }
type RowAttachment { type: String value: String name: String }
"""

_EXPORT: Final = "taskName: String filters: Json params: Json isStreamableReady: Boolean streamable: Boolean"


@lru_cache(maxsize=2)
def schema(*, id_in: bool) -> GraphQLSchema:
    """The schema.

    With `id_in`, tasks can be asked for by a list of ids, which Labelbox may or may not allow.
    """
    filters = _FILTERS + ("\n  id_in: [ID!]" if id_in else "")
    return build_schema(_DEFINITIONS % {"orders": _ORDERS, "filters": filters, "export": _EXPORT})
