SET search_path = shop, public;

-- 600 products, the same on every replay.
INSERT INTO products (id, sku, title, description, category_id, price, active)
SELECT i,
       (ARRAY['KIT', 'GAR', 'BOO', 'MUS'])[1 + i % 4] || '-' || lpad((10000 + i)::text, 5, '0'),
       (ARRAY['Small', 'Large', 'Plain', 'Fine', 'Old', 'New'])[1 + i % 6] || ' ' ||
       (ARRAY['knife', 'pan', 'spade', 'tulip', 'atlas', 'flute', 'drum'])[1 + i % 7] || ' No. ' || i,
       'A ' || (ARRAY['sharp', 'heavy', 'light', 'bright', 'quiet'])[1 + i % 5] || ' thing for ' ||
       (ARRAY['the kitchen', 'the garden', 'rainy days', 'long journeys'])[1 + i % 4],
       4 + i % 9,
       round((5 + (i * 7919 % 20000) / 100.0)::numeric, 2),
       i % 25 <> 0
FROM generate_series(1, 600) AS i;
SELECT setval(pg_get_serial_sequence('products', 'id'), 600);
