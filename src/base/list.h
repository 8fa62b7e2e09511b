/* list.h - doubly linked rings threaded through their elements.
 *
 * A head is a node that points at itself. An element is in at most one ring
 * per node; list_del leaves the node pointing at itself, so deleting twice is
 * harmless and list_linked() answers.
 */
#ifndef MAYFLY_BASE_LIST_H
#define MAYFLY_BASE_LIST_H

#include "base/attr.h"

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}
static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}
static inline bool list_linked(const struct list *node)
{
	return node->next && node->next != node;
}
static inline void list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
static inline void list_add_head(struct list *head, struct list *node)
{
	list_add_tail(head->next, node);
}
static inline void list_del(struct list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = node;
}
static inline struct list *list_pop(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_del(first);
	return first;
}

#define LIST_ITEM(node, type, member) CONTAINER_OF(node, type, member)
/* Safe when the body deletes `it` itself, not when it deletes the one behind. */
#define LIST_EACH(head, it) \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
	     it = it##_next, it##_next = it->next)

#endif
