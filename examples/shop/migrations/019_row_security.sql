SET search_path = shop, public;

-- With shop.customer set, a session sees that customer's orders only; without it all.
CREATE FUNCTION acting_customer() RETURNS bigint
LANGUAGE sql STABLE
RETURN nullif(current_setting('shop.customer', true), '')::bigint;

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY own_orders ON orders USING (acting_customer() IS NULL OR customer_id = acting_customer());
ALTER TABLE addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE addresses FORCE ROW LEVEL SECURITY;
CREATE POLICY own_addresses ON addresses USING (acting_customer() IS NULL OR customer_id = acting_customer())
	WITH CHECK (acting_customer() IS NULL OR customer_id = acting_customer());
