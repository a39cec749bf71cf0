"""What the bridge offers, described from its own tables: OpenRPC, OpenAPI, AsyncAPI, a page for people."""
