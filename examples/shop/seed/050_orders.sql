SET search_path = shop, public;

INSERT INTO orders (id, placed_at, customer_id, status, method)
SELECT i,
       timestamptz '2025-06-15 00:00+00' + i * interval '71 minutes',
       1 + i * 131 % 1200,
       (ARRAY['placed', 'paid', 'shipped', 'delivered', 'delivered', 'canceled']::order_status[])[1 + i % 6],
       (ARRAY['card', 'card', 'invoice', 'transfer']::payment_method[])[1 + i % 4]
FROM generate_series(1, 4200) AS i;

INSERT INTO order_items (order_id, placed_at, line, product_id, quantity, unit_price)
SELECT o.id, o.placed_at, l, p.id, 1 + (o.id * l) % 4, p.price
FROM orders o
CROSS JOIN LATERAL generate_series(1, 1 + o.id::int % 3) AS l
JOIN products p ON p.id = 1 + (o.id * 17 + l * 29) % 600;
