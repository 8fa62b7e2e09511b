SET search_path = shop, public;

CREATE TABLE audit.log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock(),
	tab regclass NOT NULL,
	op text NOT NULL,
	before jsonb,
	after jsonb
);

\i lib/audit.psql

CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION audit.note();
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION audit.note();
