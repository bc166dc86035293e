"""What clients are told of a pipeline."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus
from app.model.relation import Field, Relation, SqlType, View
from app.model.times import iso_us

PLATFORM_VERSION = "0.369.0"  # of the original, whose API this is
Json = dict[str, Any]
_LONG = ("runtime_config", "program_code", "udf_rust", "udf_toml", "program_config", "program_info")


def encode_info(pipeline: Pipeline) -> Json:
    """All of it."""
    program = pipeline.program
    return {
        "id": pipeline.uid,
        "name": pipeline.name,
        "description": pipeline.description,
        "tags": pipeline.tags,
        "created_at": iso_us(pipeline.created_us),
        "version": pipeline.version,
        "platform_version": PLATFORM_VERSION,
        "runtime_config": Raw(pipeline.runtime_config.encode()),
        "program_code": program.code,
        "udf_rust": program.udf_rust,
        "udf_toml": program.udf_toml,
        "program_config": Raw(program.config.encode()),
        "program_version": program.version,
        "program_status": program.status,
        "program_status_since": iso_us(program.since_us),
        "program_error": _program_error(program),
        "program_info": _program_info(program),
        "refresh_version": pipeline.refresh_version,
        "storage_status": pipeline.storage,
        "storage_status_details": None,
        "bootstrap_policy": None,
        **_deployment(pipeline),
    }


def encode_status(pipeline: Pipeline) -> Json:
    """Without what is long."""
    return {name: value for name, value in encode_info(pipeline).items() if name not in _LONG}


def encode_status_with_connectors(pipeline: Pipeline) -> Json:
    """The same, and that there are no connectors."""
    return {**encode_status(pipeline), "connectors": {"num_errors": 0}}


def _deployment(pipeline: Pipeline) -> Json:
    """A pipeline has no resources but its tables: they are provisioned when it is deployed."""
    state, since = pipeline.state, iso_us(pipeline.state_since_us)
    stopped = state is PipelineState.STOPPED
    desired = pipeline.deployment_initial if state is PipelineState.PROVISIONING else state
    runtime = state if pipeline.deployed else None
    resources = {PipelineState.STOPPED: "Stopped", PipelineState.PROVISIONING: "Provisioning"}
    return {
        "deployment_id": None if stopped else pipeline.deployment_id,
        "deployment_initial": None if stopped else pipeline.deployment_initial,
        "deployment_error": _deployment_error(pipeline),
        "deployment_status": state,
        "deployment_status_since": since,
        "deployment_desired_status": desired,
        "deployment_desired_status_since": since,
        "deployment_resources_status": resources.get(state, "Provisioned"),
        "deployment_resources_status_since": since,
        "deployment_resources_desired_status": "Stopped" if stopped else "Provisioned",
        "deployment_resources_desired_status_since": since,
        "deployment_runtime_status": runtime,
        "deployment_runtime_status_details": None,
        "deployment_runtime_status_since": since if runtime else None,
        "deployment_runtime_desired_status": None if stopped else desired,
        "deployment_runtime_desired_status_since": None if stopped else since,
    }


def _deployment_error(pipeline: Pipeline) -> Json | None:
    if pipeline.deployment_error is None:
        return None
    return {"message": pipeline.deployment_error, "error_code": "StartFailed", "details": {}}


def _program_error(program: Program) -> Json:
    failed = program.status is ProgramStatus.SQL_ERROR
    compilation = {"exit_code": int(failed), "messages": [msgspec.to_builtins(one) for one in program.messages]}
    return {"sql_compilation": compilation, "rust_compilation": None, "system_error": None}


def _program_info(program: Program) -> Json | None:
    if program.status is not ProgramStatus.SUCCESS:
        return None
    inputs = [_table(relation) for relation in program.relations]
    return {
        "schema": {"inputs": inputs, "outputs": [_view(view) for view in program.views]},
        "input_connectors": {},
        "output_connectors": {},
        "udf_stubs": "",
        "main_rust": "",
    }


def _table(relation: Relation) -> Json:
    properties = dict(relation.properties)
    return {
        "name": relation.name,
        "case_sensitive": relation.case_sensitive,
        "fields": [_field(field) for field in relation.fields],
        "materialized": bool(relation.primary_key) or properties.get("materialized") == "true",
        "properties": _properties(properties),
        "primary_key": relation.primary_key or None,
    }


def _view(view: View) -> Json:
    return {
        "name": view.name,
        "case_sensitive": view.case_sensitive,
        "fields": [_field(field) for field in view.fields],
        "materialized": view.materialized,
        "properties": _properties(dict(view.properties)),
        "primary_key": None,
    }


def _properties(properties: Mapping[str, str]) -> Json:
    return {name: {"value": value} for name, value in properties.items()}


def _field(field: Field) -> Json:
    return {
        "name": field.name,
        "case_sensitive": field.case_sensitive,
        "columntype": _type(field.type),
        "lateness": field.lateness,
        "default": field.default_sql,
        "unused": False,
        "watermark": None,
    }


def _type(sql_type: SqlType) -> Json:
    inner = {"component": sql_type.component, "key": sql_type.key, "value": sql_type.value}
    return {
        "type": sql_type.name,
        "nullable": sql_type.nullable,
        **({} if sql_type.precision is None else {"precision": sql_type.precision}),
        **({} if sql_type.scale is None else {"scale": sql_type.scale}),
        **{name: _type(one) for name, one in inner.items() if one is not None},
        **({"fields": [_field(field) for field in sql_type.fields]} if sql_type.fields else {}),
    }
