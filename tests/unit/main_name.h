#pragma once

/*
 * Stands before each file of tests: the symbol of its main() is one of its own
 * (auto/make), since all files are one program.
 */

int main(void) __asm__(UNIT_MAIN);
