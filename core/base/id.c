/*
 * The form of an id. Called wherever an id comes in: from the configuration, a
 * client's credentials, a directory of secrets, a message.
 */

#include "base/id.h"

bool
id_is_valid(struct str id)
{
    bool is_start = true; /* at the start of a part between dots */
    if (id.n == 0 || id.n > ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = (unsigned char)id.p[i];
        bool is_word = ascii_is_alpha(c) || ascii_is_digit(c) ||
                       (i != 0 && (c == '-' || c == '_'));
        if (!is_word && (c != '.' || is_start)) {
            return false;
        }
        is_start = !is_word;
    }
    return !is_start;
}
