SET search_path = shop, public;

INSERT INTO customers (id, email, full_name, country, created_at)
SELECT i,
       'customer' || i || '@example.' || (ARRAY['com', 'org', 'net'])[1 + i % 3],
       (ARRAY['Ada', 'Björn', 'Chloé', 'Dario', 'Eva', 'Ömer', '漢'])[1 + i % 7] || ' ' ||
       (ARRAY['Novák', 'O''Brien', 'Smith', 'García', 'Dupont'])[1 + i % 5],
       (SELECT code FROM countries ORDER BY code OFFSET i % 14 LIMIT 1),
       timestamptz '2024-01-01 00:00+00' + i * interval '11 hours'
FROM generate_series(1, 1200) AS i;
SELECT setval(pg_get_serial_sequence('customers', 'id'), 1200);
