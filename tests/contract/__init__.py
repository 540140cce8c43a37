"""The demo held to its own OpenAPI document, by schemathesis."""
