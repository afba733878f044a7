#include "base/memory.h"
#include "base/registry.h"
#include <criterion/criterion.h>

static const char *const words[] = {"learning_rate", "momentum", "nesterov", "weight_decay"};

Test(registry, a_misspelt_word_has_a_nearest)
{
    cr_assert_str_eq(nearest_word("learnig_rate", words, ARRAY_SIZE(words)), "learning_rate");
    cr_assert_str_eq(nearest_word("mometnum", words, ARRAY_SIZE(words)), "momentum");
    cr_assert_str_eq(nearest_word("Nesterov", words, ARRAY_SIZE(words)), "nesterov");
}

Test(registry, another_word_has_none)
{
    cr_assert_null(nearest_word("batch", words, ARRAY_SIZE(words)));
    cr_assert_null(nearest_word("", words, ARRAY_SIZE(words)));
}

Test(registry, kinds_are_found_by_name)
{
    static const struct kind a = {.name = "alpha"}, b = {.name = "beta"};
    static const struct kind *const kinds[] = {&a, &b};
    const struct registry registry = {.what = "letter", .kinds = kinds, .n_kinds = 2};
    char names[16], cut[6];
    cr_assert_eq(registry_find(&registry, "beta"), &b);
    cr_assert_null(registry_find(&registry, "gamma"));
    registry_names(&registry, names, sizeof names);
    cr_assert_str_eq(names, "alpha, beta");
    registry_names(&registry, cut, sizeof cut);
    cr_assert_str_eq(cut, "alpha");
}
