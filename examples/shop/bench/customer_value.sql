SELECT c.tier, c.country, count(*) AS customers, round(avg(o.total), 2) AS mean_order
FROM shop.customers c JOIN shop.orders o ON o.customer_id = c.id
GROUP BY GROUPING SETS ((c.tier), (c.tier, c.country))
ORDER BY 1, 2 NULLS FIRST;
