SET search_path = shop, public;

CREATE RECURSIVE VIEW category_paths (id, path, depth) AS
	SELECT id, name, 1 FROM categories WHERE parent_id IS NULL
	UNION ALL
	SELECT c.id, p.path || ' > ' || c.name, p.depth + 1 FROM categories c JOIN category_paths p ON p.id = c.parent_id;
