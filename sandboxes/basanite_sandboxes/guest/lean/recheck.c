/* Adds declarations, read as text, to an environment of imported modules: each is checked by Lean's kernel.
 *
 * Arguments are the imported modules, names in the text's form. No .olean but those of imported modules is read, and
 * nothing of a candidate is run. Lines, numbers in decimal, texts in hexadecimal ("-": empty), each thing named by a number
 * that a line before has given it:
 *
 *   n NEW s PREFIX TEXT | n NEW i PREFIX NUMBER                        a name; 0 is the anonymous one
 *   l NEW z | s L | m L L | i L L | p NAME                             a universe level
 *   e NEW b NUMBER | s L | c NAME COUNT L.. | a E E | f E E | p E E | t E E E | N NUMBER | S TEXT | j NAME NUMBER E
 *   d a|d|t|o NAME NAMES TYPE [VALUE] [HINT]                           axiom, definition, theorem, opaque
 *   d i NAMES PARAMETERS TYPES {NAME TYPE COUNT {NAME TYPE}}           inductive types
 *   c NAME TYPE                                                        what the kernel has made of one must be this
 *
 * NAMES: COUNT NAME..; HINT: 0 opaque, 1 abbreviation, above it the height and 2. It prints "accepted COUNT", or "rejected
 * LINE NUMBER" with the number of the kernel's exception, and ends with status 0; with another where the text is not that. */
#include "lean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MALFORMED = 3, NO_IMPORT = 4, MOST = 1 << 24, KERNEL_DEPTH = 10000, PRIVATE = 2 };

static object *names, *levels, *expressions;
static char *line, *rest;
static size_t capacity;

static void malformed(const char *why) {
  fprintf(stderr, "malformed: %s\n", why);
  exit(MALFORMED);
}

/* Objects live as long as the process. */
static object keep(object it) {
  if (!IS_SCALAR(it)) ((header *)it)->references = 0;
  return it;
}

static object make(int tag, int count, const object *fields) {
  size_t size = sizeof(header) + sizeof(object) * (size_t)count;
  object it = lean_alloc_object(size);
  *(header *)it = (header){0, (uint16_t)size, (uint8_t)count, (uint8_t)tag};
  memcpy((char *)it + sizeof(header), fields, sizeof(object) * (size_t)count);
  return it;
}

static object field(object it, int number) { return ((object *)((char *)it + sizeof(header)))[number]; }
static int tag_of(object it) { return IS_SCALAR(it) ? (int)((uintptr_t)it >> 1) : ((header *)it)->tag; }
static object pair(object a, object b) { return make(0, 2, (object[]){a, b}); }

static object list(object *items, size_t count) {
  object it = BOX(0);
  while (count--) it = make(1, 2, (object[]){items[count], it});
  free(items);
  return it;
}

static object array(object *items, size_t count) {
  object it = lean_alloc_object(sizeof(header) + 2 * sizeof(size_t) + count * sizeof(object));
  *(header *)it = (header){0, 0, 0, ARRAY_TAG};
  size_t *sizes = (size_t *)((char *)it + sizeof(header));
  sizes[0] = sizes[1] = count;
  if (count) memcpy(sizes + 2, items, count * sizeof(object));
  return it;
}

static char *word(void) {
  char *found = strtok_r(0, " \n", &rest);
  if (!found) malformed("a line is too short");
  return found;
}

static size_t number(void) {
  char *end, *text = word();
  size_t value = strtoul(text, &end, 10);
  if (*end || end == text || value > MOST) malformed("no number");
  return value;
}

static object natural(void) {
  char *text = word();
  if (!*text || strspn(text, "0123456789") != strlen(text)) malformed("no number");
  return keep(lean_cstr_to_nat(text));
}

static object text(void) {
  char *digits = word();
  size_t length = strcmp(digits, "-") ? strlen(digits) / 2 : 0;
  for (size_t i = 0; i < length; i++) {
    unsigned value;
    if (sscanf(digits + 2 * i, "%2x", &value) != 1) malformed("no text");
    digits[i] = (char)value; /* never before what is still to be read */
  }
  return keep(lean_mk_string_from_bytes(digits, length));
}

static object known(object *table) {
  object it = table[number()];
  if (!it) malformed("a number that nothing has");
  return it;
}

static object *several(object *table, size_t count) {
  object *items = malloc(sizeof(object) * (count + 1));
  if (!items) malformed("too many");
  for (size_t i = 0; i < count; i++) items[i] = known(table);
  return items;
}

static object name_list(void) {
  size_t count = number();
  return list(several(names, count), count);
}

static void new_name(void) {
  size_t at = number();
  char kind = *word();
  object prefix = known(names);
  names[at] = keep(kind == 's' ? lean_name_mk_string(prefix, text()) : lean_name_mk_numeral(prefix, natural()));
}

static void new_level(void) {
  size_t at = number();
  char kind = *word();
  object a = kind == 'z' ? 0 : known(kind == 'p' ? names : levels);
  object b = kind == 'm' || kind == 'i' ? known(levels) : 0;
  switch (kind) {
  case 'z': levels[at] = keep(lean_level_mk_zero(BOX(0))); break;
  case 's': levels[at] = keep(lean_level_mk_succ(a)); break;
  case 'm': levels[at] = keep(lean_level_mk_max(a, b)); break;
  case 'i': levels[at] = keep(lean_level_mk_imax(a, b)); break;
  case 'p': levels[at] = keep(lean_level_mk_param(a)); break;
  default: malformed("no level");
  }
}

static object new_expression(char kind) {
  object a, b, c;
  switch (kind) {
  case 'b': return lean_expr_mk_bvar(natural());
  case 's': return lean_expr_mk_sort(known(levels));
  case 'c': {
    a = known(names);
    size_t count = number();
    return lean_expr_mk_const(a, list(several(levels, count), count));
  }
  case 'a': a = known(expressions), b = known(expressions); return lean_expr_mk_app(a, b);
  case 'f': a = known(expressions), b = known(expressions); return lean_expr_mk_lambda(names[0], a, b, 0);
  case 'p': a = known(expressions), b = known(expressions); return lean_expr_mk_forall(names[0], a, b, 0);
  case 't': a = known(expressions), b = known(expressions), c = known(expressions); return lean_expr_mk_let(names[0], a, b, c);
  case 'N': a = natural(); return lean_expr_mk_lit(make(0, 1, &a));
  case 'S': a = text(); return lean_expr_mk_lit(make(1, 1, &a));
  case 'j': a = known(names), b = natural(), c = known(expressions); return lean_expr_mk_proj(a, b, c);
  default: malformed("no expression"); return 0;
  }
}

static object inductive(void) {
  object parameters = name_list(), count = natural();
  size_t types = number();
  object *all = malloc(sizeof(object) * (types + 1));
  if (!all) malformed("too many");
  for (size_t i = 0; i < types; i++) {
    object name = known(names), type = known(expressions);
    size_t constructors = number();
    object *made = malloc(sizeof(object) * (constructors + 1));
    if (!made) malformed("too many");
    for (size_t j = 0; j < constructors; j++) {
      object constructor = known(names);
      made[j] = pair(constructor, known(expressions));
    }
    all[i] = make(0, 3, (object[]){name, type, list(made, constructors)});
  }
  return keep(lean_mk_inductive_decl(parameters, count, list(all, types), 0));
}

static object hints(size_t hint) {
  return hint < 2 ? BOX(hint) : keep(lean_mk_reducibility_hints_regular((uint32_t)(hint - 2)));
}

static object declaration(char kind) {
  if (kind == 'i') return inductive();
  object name = known(names), parameters = name_list(), type = known(expressions), value = 0;
  object all = make(1, 2, (object[]){name, BOX(0)});
  if (kind != 'a') value = known(expressions);
  enum { SAFE = 1 };
  switch (kind) {
  case 'a': value = lean_mk_axiom_val(name, parameters, type, 0); return make(0, 1, (object[]){keep(value)});
  case 'd': value = lean_mk_definition_val(name, parameters, type, value, hints(number()), SAFE, all); return make(1, 1, (object[]){keep(value)});
  case 't': value = lean_mk_theorem_val(name, parameters, type, value, all); return make(2, 1, (object[]){keep(value)});
  case 'o': value = lean_mk_opaque_val(name, parameters, type, value, 0, all); return make(3, 1, (object[]){keep(value)});
  default: malformed("no declaration"); return 0;
  }
}

/* Does the kernel have a constant of this name and type? */
static int is_as_claimed(object environment) {
  object name = known(names), type = known(expressions);
  object found = lean_environment_find(environment, name);
  return !IS_SCALAR(found) && lean_expr_eqv(field(field(field(field(found, 0), 0), 0), 2), type);
}

static object import_all(int count, char **modules) {
  object *imports = calloc((size_t)count + 1, sizeof(object));
  for (int i = 0; i < count; i++) {
    object name = BOX(0);
    char *at, *part = strtok_r(modules[i], ".", &at);
    for (; part; part = strtok_r(0, ".", &at)) {
      rest = part;
      name = keep(lean_name_mk_string(name, text()));
    }
    imports[i] = lean_alloc_object(sizeof(header) + 2 * sizeof(object));
    *(header *)imports[i] = (header){0, sizeof(header) + 2 * sizeof(object), 1, 0};
    object *fields = (object *)((char *)imports[i] + sizeof(header));
    fields[0] = name, fields[1] = 0;
    ((uint8_t *)(fields + 1))[1] = 1; /* neither all nor for meta programs alone, but exported */
  }
  object done = l_Lean_importModules(array(imports, (size_t)count), l_Lean_Options_empty, 0, array(0, 0), 0, 0, PRIVATE, BOX(1));
  if (IS_SCALAR(done) || tag_of(done) != 0) exit(NO_IMPORT);
  return keep(lean_elab_environment_to_kernel_env(keep(field(done, 0))));
}

int recheck(int count, char **modules) {
  names = calloc(MOST + 1, sizeof(object));
  levels = calloc(MOST + 1, sizeof(object));
  expressions = calloc(MOST + 1, sizeof(object));
  if (!names || !levels || !expressions) malformed("no memory");
  lean_initialize();
  lean_io_mark_end_initialization();
  lean_init_task_manager();
  lean_init_search_path();
  object environment = import_all(count, modules);
  size_t accepted = 0, lines = 0;
  names[0] = BOX(0);
  while (getline(&line, &capacity, stdin) > 0) {
    char *kind = strtok_r(line, " \n", &rest);
    lines++;
    if (!kind) continue;
    if (*kind == 'n') new_name();
    else if (*kind == 'l') new_level();
    else if (*kind == 'e') {
      size_t at = number();
      expressions[at] = keep(new_expression(*word()));
    } else if (*kind == 'c') {
      if (!is_as_claimed(environment)) {
        printf("rejected %zu 100\n", lines);
        return 0;
      }
    } else if (*kind == 'd') {
      object added = lean_add_decl(environment, 0, KERNEL_DEPTH, declaration(*word()), BOX(0));
      if (IS_SCALAR(added) || tag_of(added) != 1) {
        printf("rejected %zu %d\n", lines, IS_SCALAR(added) ? 101 : tag_of(field(added, 0)));
        return 0;
      }
      environment = keep(field(added, 0));
      accepted++;
    } else malformed("no such line");
  }
  printf("accepted %zu\n", accepted);
  return 0;
}
