-- Each row is a check and whether it holds.
SET search_path = shop, public;

SELECT set_config('shop.customer', '7', false) = '7' AS ok;
SELECT 'customer 7 sees the orders of customer 7' AS "check", count(*) > 0 AND bool_and(customer_id = 7) AS ok FROM orders;
SELECT 'and one address', count(*) = 1 FROM addresses;
SELECT 'bills as well', bool_and(customer_id = 7) FROM order_bills;
SELECT set_config('shop.customer', '', false) = '' AS ok;
SELECT 'the shop sees all', count(DISTINCT customer_id) > 1000 FROM orders;
SELECT 'whom is deleted, nobody sees', (SELECT count(*) FROM customers) - (SELECT count(*) FROM active_customers) = 4;
