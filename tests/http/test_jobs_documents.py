"""What the server answers about chains is what /openapi.json says of it: every member, its type, its values."""
import re

import pytest

from chain import USERS, Job, failed, layers, plan, planned, post, ran
from mayfly import until

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
SOME = ("truncated", "tail", "parts", "telemetry_context")  # not in every job
FILES = {**USERS, "init/000.sql": "SELECT random();",
         "head.sql": "SELECT id, name FROM users; DO $$ BEGIN RAISE NOTICE 'said'; END $$; INSERT INTO users VALUES (3, 'Edsger');"
                     " TABLE users; SELECT now();"}


class Contract:
    def __init__(self, client):
        self.paths = client.get("/openapi.json").json
        self.schemas = self.paths["components"]["schemas"]
        self.paths = self.paths["paths"]

    def flat(self, schema):
        """The schema with what it refers to and is made of."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        whole = {k: v for k, v in schema.items() if k != "allOf"}
        for part in map(self.flat, schema.get("allOf", [])):
            whole = {**part, **whole, "properties": {**part.get("properties", {}), **whole.get("properties", {})}}
        return whole

    def check(self, schema, value, at):
        schema = self.flat(schema)
        if "type" in schema:
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            right = any(isinstance(value, TYPES[k]) and (k == "boolean" or not isinstance(value, bool)) for k in kinds)
            assert right, f"{at}: {value!r} is none of {kinds}"
        if "enum" in schema:
            assert value in schema["enum"], f"{at}: {value!r} is not named"
        if isinstance(value, dict) and schema.get("properties"):
            assert set(schema.get("required", [])) <= set(value), at
            for name, member in value.items():
                assert name in schema["properties"], f"{at}.{name} is not in the schema: {member!r}"
                self.check(schema["properties"][name], member, f"{at}.{name}")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                self.check(schema["items"], item, f"{at}[{i}]")

    def holds(self, name, document, *but):
        """Each member is in the schema; each of the schema but these is there."""
        self.check(self.schemas[name], document, name)
        assert set(self.flat(self.schemas[name])["properties"]) - set(document) <= set(but), name
        return document


@pytest.fixture
def contract(client):
    return Contract(client)


def test_a_job_that_completed(contract, fresh):
    job = contract.holds("Job", ran(fresh, FILES, telemetry_context={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}),
                         *SOME)
    assert len(job["results"]) == 5 and job["logs"] and job["telemetry_context"]
    contract.holds("Job", Job(fresh, job_id=job["job_id"]).document, *SOME)
    contract.holds("JobLogs", fresh.get(job["links"]["logs"]).json)
    results = fresh.get(job["links"]["results"]).json
    contract.check(contract.schemas["JobResults"], results, "JobResults")
    assert any(r["notices"] for r in results["results"])
    contract.holds("JobList", fresh.get("/v1/jobs").json)


def test_jobs_that_failed_or_were_canceled(contract, fresh):
    for files in ({**USERS, "head.sql": "SELECT 1/0"}, {**USERS, "init/001_users.sql": "\\i missing.sql"},
                  {**USERS, "head.sql": "SELECT 'open"}, {**USERS, "seed/001_users.sql": "INSERT INTO nowhere VALUES (1)"}):
        contract.holds("Job", ran(fresh, files, status="failed"), *SOME)
    job = Job(fresh, {"head.sql": "SELECT pg_sleep(60)"})
    contract.holds("Job", job.at("head_execution").document, *SOME)
    contract.holds("Job", job.cancel().json, "columns", "rows", "results", "logs", *SOME)
    contract.holds("Job", job.ended("canceled"), *SOME)


def test_a_job_in_parts(contract, fresh):
    job = Job(fresh)
    contract.holds("Job", job.document, *SOME)
    contract.holds("JobSize", job.append(USERS).json)
    contract.holds("JobAccepted", job.run(wait=0).json)
    contract.holds("Job", job.ended(), *SOME)


def test_plans_and_layers(contract, fresh):
    contract.holds("Plan", planned(fresh, FILES))
    ran(fresh, FILES)
    contract.holds("Plan", planned(fresh, FILES))
    differs = contract.holds("Plan", planned(fresh, {**FILES, "seed/001_users.sql": "INSERT INTO users VALUES (7, 'x')"}))
    assert differs["nearest"] and differs["first_difference"]
    assert len(layers(fresh)) >= 2
    for layer in layers(fresh).values():
        contract.holds("Layer", layer)
    contract.holds("LayerList", fresh.get("/v1/layers").json)


def test_errors(contract, fresh):
    for a in (post(fresh, {}), post(fresh, USERS, head="nowhere.sql"), plan(fresh, {**USERS, "head.sql": "SELECT 'open"}),
              plan(fresh, {"init/1.sql": "\\i b.sql", "b.sql": "\\i b.sql", "head.sql": "SELECT 1"}), fresh.get("/v1/jobs/nobody"),
              post(fresh, {"head.sql": b"nobody has sent this"})):
        assert a.status >= 400, a
        contract.check(contract.schemas["Problem"], a.json, "Problem")


def test_every_path_of_chains_names_a_schema_that_is_there(contract):
    paths = [p for p in contract.paths if re.match(r"/v1/(jobs|plan|layers|blobs)", p)]
    assert len(paths) >= 10
    for path in paths:
        for name in re.findall(r"#/components/schemas/(\w+)", str(contract.paths[path])):
            assert name in contract.schemas, (path, name)
