SET search_path = shop, public;

CREATE STATISTICS customers_tier_country (dependencies, ndistinct) ON tier, country FROM customers;
ALTER TABLE orders ALTER COLUMN customer_id SET STATISTICS 500;
VACUUM (ANALYZE) customers, products, order_items;
ANALYZE orders;
