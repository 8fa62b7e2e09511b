SET search_path = shop, public;

ALTER TABLE customers ADD COLUMN deleted_at timestamptz;
CREATE VIEW active_customers WITH (security_barrier) AS SELECT * FROM customers WHERE deleted_at IS NULL;

CREATE FUNCTION delete_softly() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE customers SET deleted_at = clock() WHERE id = OLD.id;
	RETURN OLD;
END
$$;
CREATE TRIGGER soft INSTEAD OF DELETE ON active_customers FOR EACH ROW EXECUTE FUNCTION delete_softly();
DELETE FROM active_customers WHERE id % 300 = 0;
