-- Each row is a check and whether it holds.
SET search_path = shop, public;

SELECT 'the best hit has the word in its title' AS "check", title ILIKE '%spade%' AS ok FROM search('heavy spade', 1);
SELECT 'a phrase', count(*) = 10 FROM search('"rainy days"');
SELECT 'nothing for a word that is not there', count(*) = 0 FROM search('elephant');
SELECT 'attributes', count(*) = 50 FROM products WHERE attributes @> '{"colours": ["red"]}';
SELECT 'three best of each category', max(place) = 3 AND count(*) = 3 * count(DISTINCT path) FROM best_of_category;
