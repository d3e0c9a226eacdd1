/*
 * Lists: order, taking out, joining; taking out twice does no harm.
 */

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct item {
    char name;
    struct list link;
};

static struct item items[8];

static void
items_init(void)
{
    for (size_t i = 0; i < LEN(items); i++) {
        items[i].name = (char)('a' + i);
        list_init(&items[i].link);
    }
}

/* The names from front to back, and the same from back to front. */
static void
assert_order(const struct list *head, const char *want)
{
    size_t n = strlen(want), i = 0;
    for (struct list *l = head->next; l != head; l = l->next) {
        assert_true(i < n);
        assert_int_equal(container_of(l, struct item, link)->name, want[i]);
        assert_true(list_is_linked(l));
        i++;
    }
    assert_int_equal(i, n);
    for (struct list *l = head->prev; l != head; l = l->prev) {
        i--;
        assert_int_equal(container_of(l, struct item, link)->name, want[i]);
    }
    assert_int_equal(i, 0);
    assert_true(list_is_empty(head) == (n == 0));
}

static void
order(void **state)
{
    struct list head;
    (void)state;
    items_init();
    list_init(&head);
    assert_order(&head, "");
    assert_null(list_pop(&head));
    list_add_tail(&head, &items[1].link);
    list_add_tail(&head, &items[2].link);
    list_add_head(&head, &items[0].link);
    assert_order(&head, "abc");
    assert_ptr_equal(list_pop(&head), &items[0].link);
    assert_false(list_is_linked(&items[0].link));
    assert_order(&head, "bc");
    list_add_tail(&head, &items[0].link);
    assert_order(&head, "bca");
}

static void
deletion(void **state)
{
    struct list head;
    (void)state;
    items_init();
    list_init(&head);
    for (size_t i = 0; i < 4; i++) {
        list_add_tail(&head, &items[i].link);
    }
    list_del(&items[1].link);
    assert_order(&head, "acd");
    list_del(&items[1].link); /* twice */
    assert_false(list_is_linked(&items[1].link));
    assert_order(&head, "acd");
    list_del(&items[0].link);
    list_del(&items[3].link);
    assert_order(&head, "c");
    list_del(&items[2].link);
    assert_order(&head, "");
}

static void
joining(void **state)
{
    struct list a, b;
    (void)state;
    items_init();
    list_init(&a);
    list_init(&b);
    list_splice_tail(&a, &b);
    assert_order(&a, "");
    list_add_tail(&b, &items[0].link);
    list_add_tail(&b, &items[1].link);
    list_splice_tail(&a, &b); /* to nothing */
    assert_order(&a, "ab");
    assert_order(&b, "");
    list_splice_tail(&a, &b); /* nothing */
    assert_order(&a, "ab");
    list_add_tail(&b, &items[2].link);
    list_add_tail(&b, &items[3].link);
    list_splice_tail(&a, &b);
    assert_order(&a, "abcd");
    assert_order(&b, "");
    list_add_tail(&b, &items[4].link); /* usable again */
    assert_order(&b, "e");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(deletion),
        cmocka_unit_test(joining),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
