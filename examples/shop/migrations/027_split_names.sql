SET search_path = shop, public;

-- A column gives way to two; the view that reads it is made anew in the same transaction.
BEGIN;
ALTER TABLE customers ADD COLUMN first_name text, ADD COLUMN last_name text;
UPDATE customers SET first_name = split_part(full_name, ' ', 1), last_name = split_part(full_name, ' ', 2);
ALTER TABLE customers ALTER COLUMN first_name SET NOT NULL;
DROP VIEW active_customers;
ALTER TABLE customers DROP COLUMN full_name;
ALTER TABLE customers ADD COLUMN full_name text GENERATED ALWAYS AS (first_name || coalesce(' ' || last_name, '')) STORED;
CREATE VIEW active_customers WITH (security_barrier) AS SELECT * FROM customers WHERE deleted_at IS NULL;
CREATE TRIGGER soft INSTEAD OF DELETE ON active_customers FOR EACH ROW EXECUTE FUNCTION delete_softly();
COMMIT;
