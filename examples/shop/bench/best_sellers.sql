SELECT path, title, sold FROM shop.best_of_category WHERE place = 1 ORDER BY sold DESC, path;
