#include "core.h"

bool reference_operation(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len)
{
	(void)n; (void)kind; (void)p; (void)len;
	return false;
}
bool reference_ack_join(struct node *n, const struct reference_ack_join *a)
{
	(void)n; (void)a;
	return false;
}
void reference_join(struct node *n, const uint8_t *p, size_t len)
{
	uint32_t id;
	const char *why = reference_parse_id(p, len, &id);

	if (why)
		out_complain(n, "join", why, p, len);
}
void reference_answer(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len)
{
	(void)n; (void)kind; (void)p; (void)len;
}
void reference_tick(struct node *n, uint64_t *next)
{
	(void)n; (void)next;
}
