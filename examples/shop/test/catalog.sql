-- Each row is a check and whether it holds.
SET search_path = shop, public;

SELECT '600 products, of which 24 are not sold' AS "check", count(*) = 600 AND count(*) FILTER (WHERE NOT active) = 24 AS ok FROM products;
SELECT 'slugs are made of titles', bool_and(slug ~ '^[a-z0-9-]+$') FROM products;
SELECT 'the deepest category has three steps', max(depth) = 3 AND bool_or(path = 'Books > Children''s > "Read aloud"') FROM category_paths;
SELECT 'four prices were changed and are in the history', count(*) = 4 FROM prices WHERE seq = 2;
SELECT 'those changes are in the audit log', count(*) = 4 FROM audit.log WHERE tab = 'shop.products'::regclass AND op = 'UPDATE' AND before->>'price' <> after->>'price';
SELECT 'a NULL size is one variant only', count(*) = 60 * 6 FROM variants;
