#pragma once

/*
 * Names that people and programs give to sandboxes, classes and handlers
 * (SPEC 11). A secret's file has the id of its sandbox as its name.
 */

#include "base/str.h"

/* Bytes. */
#define ID_MAX 64

/* [A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*, ID_MAX at most. */
bool id_is_valid(struct str id);
