SET search_path = shop, public;

-- Not in a transaction block, so a file must be run statement by statement.
CREATE INDEX CONCURRENTLY order_items_product ON order_items (product_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS customers_country ON customers (country);
