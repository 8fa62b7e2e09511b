SELECT id, title FROM shop.search(:'words', 5);
