/* openapi_schemas.c - the shapes that /openapi.json names, as JSON text. */
#include "api/api_int.h"

const struct api_schema api_schemas[] = {
	{"SubmitSnowflake",
	 "{\"type\":\"object\",\"required\":[\"statement\"],\"properties\":{\"statement\":{\"type\":\"string\"},"
	 "\"timeout\":{\"type\":\"integer\",\"minimum\":0},\"database\":{\"type\":\"string\"},\"schema\":{\"type\":\"string\"},"
	 "\"warehouse\":{\"type\":\"string\"},\"role\":{\"type\":\"string\"},\"bindings\":{\"type\":\"object\","
	 "\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"
	 "\"value\":{\"type\":[\"string\",\"null\"]}}}},\"parameters\":{\"type\":\"object\"}}}"},
	{"Submit",
	 "{\"type\":\"object\",\"required\":[\"sql\"],\"additionalProperties\":false,\"properties\":{\"sql\":{\"type\":\"string\"},"
	 "\"session_id\":{\"type\":\"string\"},\"params\":{\"type\":[\"array\",\"object\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0},\"ttl_seconds\":{\"type\":\"integer\",\"minimum\":1}}}"},
	{"ResultSet",
	 "{\"type\":\"object\",\"properties\":{\"resultSetMetaData\":{\"type\":\"object\"},\"data\":{\"type\":\"array\",\"items\":"
	 "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"null\"]}}},\"code\":{\"type\":\"string\"},"
	 "\"statementStatusUrl\":{\"type\":\"string\"},\"requestId\":{\"type\":\"string\"},\"sqlState\":{\"type\":\"string\"},"
	 "\"statementHandle\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"createdOn\":{\"type\":\"integer\"},"
	 "\"stats\":{\"type\":\"object\"}}}"},
	{"QueryStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"statementHandle\":{\"type\":\"string\"},\"statementStatusUrl\":{\"type\":\"string\"}}}"},
	{"QueryFailureStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"sqlState\":{\"type\":\"string\"},\"statementHandle\":{\"type\":[\"string\",\"null\"]}}}"},
	{"CancelStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"sqlState\":{\"type\":\"string\"},"
	 "\"message\":{\"type\":\"string\"},\"statementHandle\":{\"type\":\"string\"},\"statementStatusUrl\":{\"type\":\"string\"}}}"},
	{"Statement",
	 "{\"type\":\"object\",\"properties\":{\"handle\":{\"type\":\"string\"},\"session_id\":{\"type\":[\"string\",\"null\"]},"
	 "\"tenant_id\":{\"type\":\"string\"},\"status\":{\"enum\":[\"SUBMITTED\",\"RUNNING\",\"SUCCEEDED\",\"FAILED\",\"CANCELED\"]},"
	 "\"sql\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\"},\"started_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"completed_at\":{\"type\":[\"string\",\"null\"]},\"expires_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"progress\":{\"type\":[\"number\",\"null\"]},\"row_count\":{\"type\":[\"integer\",\"null\"]},"
	 "\"result_bytes\":{\"type\":\"integer\"},\"partition_count\":{\"type\":\"integer\"},\"sql_state\":{\"type\":\"string\"},"
	 "\"error\":{\"type\":[\"object\",\"null\"],\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"sqlstate\":{\"type\":\"string\"},\"position\":{\"type\":[\"integer\",\"null\"]}}}}}"},
	{"StatementList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Statement\"}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"Result",
	 "{\"type\":\"object\",\"properties\":{\"columns\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
	 "\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}},"
	 "\"rows\":{\"type\":\"array\",\"items\":{\"type\":\"array\"}},\"row_count\":{\"type\":\"integer\"}}}"},
	{"OpenSession",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"storage\":{\"enum\":[\"memory\",\"persistent\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0},\"idle_timeout_seconds\":{\"type\":[\"integer\",\"null\"],\"minimum\":1},"
	 "\"close_on_disconnect\":{\"type\":\"boolean\"},\"labels\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}}"},
	{"ExtendSession",
	 "{\"type\":\"object\",\"required\":[\"timeout_seconds\"],\"additionalProperties\":false,\"properties\":{"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0}}}"},
	{"Session",
	 "{\"type\":\"object\",\"properties\":{\"session_id\":{\"type\":\"string\"},\"tenant_id\":{\"type\":\"string\"},"
	 "\"storage\":{\"enum\":[\"memory\",\"persistent\"]},\"created_at\":{\"type\":\"string\"},\"expires_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\"},\"idle_timeout_seconds\":{\"type\":[\"integer\",\"null\"]},"
	 "\"idle_expires_at\":{\"type\":\"string\"},\"close_on_disconnect\":{\"type\":\"boolean\"},\"labels\":{\"type\":\"object\"},"
	 "\"tables\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Table\"}}}}"},
	{"SessionList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"allOf\":[{\"$ref\":\"#/components/schemas/Session\"},"
	 "{\"type\":\"object\",\"description\":\"with counts instead of tables\",\"properties\":{\"table_count\":{\"type\":\"integer\"},"
	 "\"row_count\":{\"type\":\"integer\"}}}]}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"SessionClosed",
	 "{\"type\":\"object\",\"properties\":{\"session_id\":{\"type\":\"string\"},\"event\":{\"const\":\"closed\"},"
	 "\"deleted_tables\":{\"type\":\"integer\"},\"deleted_row_count\":{\"type\":\"integer\"}}}"},
	{"CreateTable",
	 "{\"type\":\"object\",\"required\":[\"name\",\"columns\"],\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\","
	 "\"maxLength\":24},\"columns\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"required\":[\"name\",\"type\"],"
	 "\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}},"
	 "\"primary_key\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
	{"Table",
	 "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"physical_id\":{\"type\":\"string\"},"
	 "\"table_ref\":{\"type\":\"string\"},\"row_count\":{\"type\":\"integer\"}}}"},
	{"Rows", "{\"type\":\"array\",\"items\":{\"type\":[\"object\",\"array\"]}}"},
	{"Inserted", "{\"type\":\"object\",\"properties\":{\"inserted\":{\"type\":\"integer\"}}}"},
	{"Count", "{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}}}"},
	{"Query",
	 "{\"type\":\"object\",\"required\":[\"sql\"],\"additionalProperties\":false,\"properties\":{\"sql\":{\"type\":\"string\"},"
	 "\"table\":{\"type\":\"string\"},\"params\":{\"type\":[\"array\",\"object\"]}}}"},
	{"Event",
	 "{\"type\":\"object\",\"properties\":{\"topic\":{\"type\":\"string\"},\"stream\":{\"type\":\"string\"},\"offset\":{\"type\":\"integer\"},"
	 "\"time\":{\"type\":\"string\"},\"tenant_id\":{\"type\":\"string\"},\"payload\":{\"type\":\"object\"},"
	 "\"prev_hash\":{\"type\":\"string\"},\"hash\":{\"type\":\"string\"}}}"},
	{"EventList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]},\"cursor\":{\"type\":\"string\"},\"lost\":{\"type\":\"integer\"}}}"},
	{"Space",
	 "{\"type\":\"object\",\"properties\":{\"space_id\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\"}},"
	 "\"examples\":[{\"space_id\":\"sales\",\"created_at\":\"2026-01-05T09:00:00.000Z\"}]}"},
	{"SpaceList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\","
	 "\"items\":{\"$ref\":\"#/components/schemas/Space\"}},\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"SpaceTable",
	 "{\"type\":\"object\",\"properties\":{\"table\":{\"type\":\"string\"},\"snapshot_id\":{\"type\":\"integer\"},"
	 "\"row_count\":{\"type\":\"integer\"},\"schema\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
	 "\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}},"
	 "\"snapshot_at\":{\"type\":\"string\"},\"bytes\":{\"type\":\"integer\"},\"location\":{\"type\":\"string\"}},"
	 "\"examples\":[{\"table\":\"orders\",\"snapshot_id\":1,\"row_count\":2,\"schema\":[{\"name\":\"id\","
	 "\"type\":\"BIGINT\",\"nullable\":true},{\"name\":\"total\",\"type\":\"DECIMAL(10,2)\",\"nullable\":true}],"
	 "\"snapshot_at\":\"2026-01-05T09:00:01.000Z\",\"bytes\":412,\"location\":\"file:///srv/mayfly/storage/spaces/sales/tabl"
	 "es/orders\"}]}"},
	{"SpaceTableList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\","
	 "\"items\":{\"$ref\":\"#/components/schemas/SpaceTable\"}},\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"SaveSql",
	 "{\"type\":\"object\",\"required\":[\"name\",\"sql\"],\"additionalProperties\":false,"
	 "\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":256},\"sql\":{\"type\":\"string\","
	 "\"minLength\":1,\"maxLength\":100000},\"order_by\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	 "\"variables\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"type\"],"
	 "\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
	 "\"default\":{}}}}},\"examples\":[{\"name\":\"large orders\",\"sql\":\"SELECT id,"
	 " total FROM orders WHERE total > {{least}}\",\"order_by\":[\"total DESC\",\"id\"],\"variables\":[{\"name\":\"least\","
	 "\"type\":\"DECIMAL(10,2)\",\"default\":100}]}]}"},
	{"UpdateSql",
	 "{\"type\":\"object\",\"required\":[\"name\",\"sql\",\"parent_revision_id\"],\"additionalProperties\":false,"
	 "\"properties\":{\"name\":{\"type\":\"string\"},\"sql\":{\"type\":\"string\"},\"order_by\":{\"type\":\"array\","
	 "\"items\":{\"type\":\"string\"}},\"variables\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
	 "\"required\":[\"name\",\"type\"],\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},"
	 "\"type\":{\"type\":\"string\"},\"default\":{}}}},\"parent_revision_id\":{\"type\":\"string\"}},"
	 "\"examples\":[{\"name\":\"large orders\",\"sql\":\"SELECT id, total FROM orders WHERE total > 500\","
	 "\"parent_revision_id\":\"6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01\"}]}"},
	{"SavedSql",
	 "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
	 "\"sql\":{\"type\":\"string\"},\"order_by\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	 "\"variables\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"type\"],"
	 "\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
	 "\"default\":{}}}},\"revision_id\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\"},"
	 "\"updated_at\":{\"type\":\"string\"},\"view\":{\"type\":\"object\",\"properties\":{\"sql_id\":{\"type\":\"string\"},"
	 "\"state\":{\"enum\":[\"building\",\"ready\",\"parameterized\",\"failed\"]},\"error\":{\"type\":[\"string\",\"null\"]},"
	 "\"snapshot_id\":{\"type\":[\"integer\",\"null\"]},\"snapshot_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"schema_hash\":{\"type\":[\"string\",\"null\"]},\"schema_version\":{\"type\":[\"integer\",\"null\"]},"
	 "\"row_count\":{\"type\":[\"integer\",\"null\"]},\"location\":{\"type\":[\"string\",\"null\"]}}}},"
	 "\"examples\":[{\"id\":\"0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55\",\"name\":\"large orders\",\"sql\":\"SELECT id,"
	 " total FROM orders WHERE total > 500\",\"order_by\":[\"total DESC\",\"id\"],\"variables\":[],"
	 "\"revision_id\":\"6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01\",\"created_at\":\"2026-01-05T09:00:02.000Z\","
	 "\"updated_at\":\"2026-01-05T09:00:02.000Z\",\"view\":{\"sql_id\":\"0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55\","
	 "\"state\":\"ready\",\"error\":null,\"snapshot_id\":1,\"snapshot_at\":\"2026-01-05T09:00:02.000Z\","
	 "\"schema_hash\":\"sha256:9f2c\",\"schema_version\":1,\"row_count\":1,"
	 "\"location\":\"file:///srv/mayfly/storage/spaces/sales/materialized_views/0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55\"}}]}"},
	{"SavedSqlList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\","
	 "\"items\":{\"$ref\":\"#/components/schemas/SavedSql\"}},\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"OpenSqlSession",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"sql_id\":{\"type\":\"string\"},"
	 "\"sql\":{\"type\":\"string\"},\"order_by\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	 "\"variables\":{\"type\":\"object\"},\"refresh\":{\"enum\":[\"auto\",\"never\",\"force\"]},"
	 "\"ttl_seconds\":{\"type\":\"integer\",\"minimum\":1}},\"examples\":[{\"sql_id\":\"0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55"
	 "\",\"variables\":{\"least\":250},\"refresh\":\"auto\",\"ttl_seconds\":600}]}"},
	{"SqlSession",
	 "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"space_id\":{\"type\":\"string\"},"
	 "\"sql_id\":{\"type\":\"string\"},\"sql\":{\"type\":\"string\"},\"status\":{\"enum\":[\"running\",\"ready\","
	 "\"failed\"]},\"created_at\":{\"type\":\"string\"},\"expires_at\":{\"type\":\"string\"},"
	 "\"error\":{\"type\":[\"string\",\"null\"]},\"view\":{\"type\":\"object\","
	 "\"properties\":{\"sql_id\":{\"type\":\"string\"},\"snapshot_id\":{\"type\":[\"integer\",\"null\"]},"
	 "\"snapshot_at\":{\"type\":[\"string\",\"null\"]},\"schema_version\":{\"type\":[\"integer\",\"null\"]}}},"
	 "\"pagination\":{\"type\":\"object\",\"properties\":{\"strategy\":{\"const\":\"offset\"},"
	 "\"order_by\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"default_limit\":{\"type\":\"integer\"},"
	 "\"max_limit\":{\"type\":\"integer\"}}},\"count\":{\"type\":\"object\","
	 "\"properties\":{\"mode\":{\"const\":\"on_demand\"},\"cached_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"value\":{\"type\":[\"integer\",\"null\"]}}}},\"examples\":[{\"id\":\"6a2f7c1e-8f0b-4b0e-9b60-0d7f3f6f2a10\","
	 "\"space_id\":\"sales\",\"sql_id\":\"0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55\",\"sql\":\"SELECT id,"
	 " total FROM orders WHERE total > 500\",\"status\":\"ready\",\"created_at\":\"2026-01-05T09:01:00.000Z\","
	 "\"expires_at\":\"2026-01-05T09:11:00.000Z\",\"error\":null,\"view\":{\"sql_id\":\"0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55"
	 "\",\"snapshot_id\":1,\"snapshot_at\":\"2026-01-05T09:00:02.000Z\",\"schema_version\":1},"
	 "\"pagination\":{\"strategy\":\"offset\",\"order_by\":[\"total DESC\",\"id\",\"$position\"],\"default_limit\":50,"
	 "\"max_limit\":1000},\"count\":{\"mode\":\"on_demand\",\"cached_at\":null,\"value\":null}}]}"},
	{"Page",
	 "{\"allOf\":[{\"$ref\":\"#/components/schemas/Result\"},{\"type\":\"object\","
	 "\"properties\":{\"offset\":{\"type\":\"integer\"},\"limit\":{\"type\":\"integer\"}}}],"
	 "\"examples\":[{\"columns\":[{\"name\":\"id\",\"type\":\"BIGINT\",\"nullable\":true}],\"rows\":[[7]],\"row_count\":1,"
	 "\"offset\":0,\"limit\":50}]}"},
	{"IcebergConfig",
	 "{\"type\":\"object\",\"properties\":{\"defaults\":{\"type\":\"object\"},\"overrides\":{\"type\":\"object\"},"
	 "\"endpoints\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
	{"IcebergNamespaces",
	 "{\"type\":\"object\",\"properties\":{\"namespaces\":{\"type\":\"array\",\"items\":{\"type\":\"array\","
	 "\"items\":{\"type\":\"string\"}}},\"next-page-token\":{\"type\":[\"string\",\"null\"]}},"
	 "\"examples\":[{\"namespaces\":[[\"sales\"]],\"next-page-token\":null}]}"},
	{"IcebergNamespace",
	 "{\"type\":\"object\",\"properties\":{\"namespace\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
	 "\"properties\":{\"type\":\"object\"}},\"examples\":[{\"namespace\":[\"sales\"],\"properties\":{}}]}"},
	{"IcebergTables",
	 "{\"type\":\"object\",\"properties\":{\"identifiers\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
	 "\"properties\":{\"namespace\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"name\":{\"type\":\"string\"}}}},"
	 "\"next-page-token\":{\"type\":[\"string\",\"null\"]}},\"examples\":[{\"identifiers\":[{\"namespace\":[\"sales\"],"
	 "\"name\":\"orders\"},{\"namespace\":[\"sales\"],\"name\":\"view_0197a6b2-5f0e-4c11-9d0a-3f1d7c2b8e55\"}],"
	 "\"next-page-token\":null}]}"},
	{"IcebergTable",
	 "{\"type\":\"object\",\"properties\":{\"metadata-location\":{\"type\":\"string\"},\"metadata\":{\"type\":\"object\"},"
	 "\"config\":{\"type\":\"object\"}}}"},
	{"IcebergError",
	 "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\","
	 "\"required\":[\"message\",\"type\",\"code\"],\"properties\":{\"message\":{\"type\":\"string\"},"
	 "\"type\":{\"type\":\"string\"},\"code\":{\"type\":\"integer\"}}}},"
	 "\"examples\":[{\"error\":{\"message\":\"Table does not exist: orders\",\"type\":\"NoSuchTableException\","
	 "\"code\":404}}]}"},
	{"Problem",
	 "{\"type\":\"object\",\"required\":[\"title\",\"status\",\"detail\",\"code\",\"request_id\"],\"properties\":{"
	 "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
	 "\"code\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"},\"sqlstate\":{\"type\":\"string\"},"
	 "\"position\":{\"type\":\"integer\"},\"row\":{\"type\":\"integer\"},\"column\":{\"type\":\"string\"},"
	 "\"max\":{\"type\":\"integer\"},\"quota\":{\"type\":\"string\"},\"limit\":{\"type\":\"integer\"},\"usage\":{\"type\":\"integer\"},"
	 "\"failed\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},"
	 "\"surviving\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"location\":{\"type\":\"string\"}}}"},
	{"Text", "{\"type\":\"string\"}"},
	{"OpenApi", "{\"type\":\"object\"}"},
	{"Health", "{\"type\":\"object\"}"},
	{"Readiness",
	 "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"engine\":{\"type\":\"object\"},"
	 "\"storage\":{\"type\":\"object\"},\"statement_store\":{\"type\":\"object\"},\"runner\":{\"type\":\"object\"}}}"},
	{"Version",
	 "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},"
	 "\"duckdb\":{\"type\":[\"string\",\"null\"]}}}"},
	{NULL, NULL},
};
