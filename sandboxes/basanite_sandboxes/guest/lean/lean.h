/* What we use of Lean's runtime, by its stable C names, and how its objects lie in memory (lean.h of the toolchain). */
#ifndef BASANITE_LEAN_H
#define BASANITE_LEAN_H
#include <stddef.h>
#include <stdint.h>

typedef void *object;
typedef struct {
  int references;
  uint16_t size;
  uint8_t fields;
  uint8_t tag;
} header;

#define BOX(n) ((object)(((uintptr_t)(n) << 1) | 1))
#define IS_SCALAR(o) ((uintptr_t)(o) & 1)
#define ARRAY_TAG 246

int lean_main(int, char **);
void lean_initialize(void);
void lean_init_task_manager(void);
void lean_io_mark_end_initialization(void);
object lean_init_search_path(void);

object lean_alloc_object(size_t);
object lean_mk_string_from_bytes(const char *, size_t);
object lean_cstr_to_nat(const char *);
object lean_name_mk_string(object, object);
object lean_name_mk_numeral(object, object);

object lean_level_mk_zero(object);
object lean_level_mk_succ(object);
object lean_level_mk_max(object, object);
object lean_level_mk_imax(object, object);
object lean_level_mk_param(object);

object lean_expr_mk_bvar(object);
object lean_expr_mk_sort(object);
object lean_expr_mk_const(object, object);
object lean_expr_mk_app(object, object);
object lean_expr_mk_lambda(object, object, object, uint8_t);
object lean_expr_mk_forall(object, object, object, uint8_t);
object lean_expr_mk_let(object, object, object, object);
object lean_expr_mk_lit(object);
object lean_expr_mk_proj(object, object, object);
uint8_t lean_expr_eqv(object, object);

object lean_mk_axiom_val(object, object, object, uint8_t);
object lean_mk_definition_val(object, object, object, object, object, uint8_t, object);
object lean_mk_theorem_val(object, object, object, object, object);
object lean_mk_opaque_val(object, object, object, object, uint8_t, object);
object lean_mk_reducibility_hints_regular(uint32_t);
object lean_mk_inductive_decl(object, object, object, uint8_t);

object lean_elab_environment_to_kernel_env(object);
object lean_environment_find(object, object);
object lean_add_decl(object, size_t, size_t, object, object);

extern object l_Lean_Options_empty;
object l_Lean_importModules(object, object, uint32_t, object, uint8_t, uint8_t, uint8_t, object);

int recheck(int, char **);
#endif
