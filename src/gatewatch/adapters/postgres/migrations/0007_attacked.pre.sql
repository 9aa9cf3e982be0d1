-- Which sources have findings at all: few, so that a batch asks for them instead of for each of its sources.
CREATE INDEX source_view_attacked ON source_view (tenant_id) WHERE attacked;
