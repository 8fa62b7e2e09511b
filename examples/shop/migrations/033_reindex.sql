SET search_path = shop, public;

REINDEX INDEX CONCURRENTLY products_slug;
DROP INDEX CONCURRENTLY customers_country;
