/*
 * Symbols straight from ELF files.
 *
 * dladdr() knows only what a module exports; most functions are not. So the module
 * file is mapped and its full symbol table searched (.symtab, else .dynsym); if it
 * was stripped, the separate debug file named by its build id is tried. Mapping and
 * searching take milliseconds and no memory of any allocator.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spl/symbolize.h"
#include "spl/bits.h"

typedef struct elf_map {
	const uint8_t *em_base;
	size_t em_size;
	const Elf64_Shdr *em_sections;
	unsigned em_nsections;
} elf_map_t;

static bool
inside(const elf_map_t *em, uint64_t off, uint64_t size)
{
	return (off <= em->em_size && size <= em->em_size - off);
}

static void
elf_close(elf_map_t *em)
{
	(void)munmap((void *)(uintptr_t)em->em_base, em->em_size);
}

static bool
elf_open(const char *path, elf_map_t *em)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return (false);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size < sizeof(Elf64_Ehdr)) {
		(void)close(fd);
		return (false);
	}
	void *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (base == MAP_FAILED)
		return (false);
	em->em_base = base;
	em->em_size = (size_t)st.st_size;
	const Elf64_Ehdr *eh = base;
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_shentsize != sizeof(Elf64_Shdr) ||
	    !IS_P2ALIGNED(eh->e_shoff, 8) ||
	    !inside(em, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr))) {
		elf_close(em);
		return (false);
	}
	em->em_sections = (const Elf64_Shdr *)(const void *)(em->em_base + eh->e_shoff);
	em->em_nsections = eh->e_shnum;
	return (true);
}

static const Elf64_Shdr *
elf_section(const elf_map_t *em, uint32_t type)
{
	for (unsigned i = 0; i < em->em_nsections; i++) {
		const Elf64_Shdr *sh = &em->em_sections[i];
		if (sh->sh_type == type && inside(em, sh->sh_offset, sh->sh_size))
			return (sh);
	}
	return (NULL);
}

typedef struct symtab {
	const Elf64_Sym *st_syms;
	size_t st_count;
	const char *st_names;
	size_t st_names_size;
} symtab_t;

static bool
elf_symtab(const elf_map_t *em, uint32_t type, symtab_t *st)
{
	const Elf64_Shdr *sh = elf_section(em, type);

	if (sh == NULL || sh->sh_link >= em->em_nsections || !IS_P2ALIGNED(sh->sh_offset, 8))
		return (false);
	const Elf64_Shdr *str = &em->em_sections[sh->sh_link];
	if (str->sh_type != SHT_STRTAB || str->sh_size == 0 ||
	    !inside(em, str->sh_offset, str->sh_size))
		return (false);
	st->st_syms = (const Elf64_Sym *)(const void *)(em->em_base + sh->sh_offset);
	st->st_count = sh->sh_size / sizeof(Elf64_Sym);
	st->st_names = (const char *)em->em_base + str->sh_offset;
	st->st_names_size = str->sh_size;
	return (st->st_names[st->st_names_size - 1] == '\0');
}

/* The function that contains vaddr, or else the nearest one below without a size. */
static bool
symtab_find(const symtab_t *st, uint64_t vaddr, spl_symbol_t *ss)
{
	const Elf64_Sym *best = NULL;

	for (size_t i = 0; i < st->st_count; i++) {
		const Elf64_Sym *sym = &st->st_syms[i];
		const int type = ELF64_ST_TYPE(sym->st_info);
		if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) ||
		    sym->st_shndx == SHN_UNDEF || sym->st_value > vaddr ||
		    sym->st_name >= st->st_names_size || st->st_names[sym->st_name] == '\0')
			continue;
		if (sym->st_size != 0 ? vaddr - sym->st_value >= sym->st_size :
		    type != STT_NOTYPE)
			continue;
		/* Of several names for one place the public one. */
		if (best == NULL || sym->st_value > best->st_value ||
		    (sym->st_value == best->st_value && (best->st_size == 0 ||
		    ELF64_ST_BIND(sym->st_info) > ELF64_ST_BIND(best->st_info))))
			best = sym;
	}
	if (best == NULL)
		return (false);
	(void)snprintf(ss->ss_function, sizeof(ss->ss_function), "%s",
	    st->st_names + best->st_name);
	ss->ss_offset = vaddr - best->st_value;
	return (true);
}

/* Where distributions keep the symbols of a stripped module. */
static bool
debug_path(const elf_map_t *em, char *path, size_t size)
{
	for (unsigned i = 0; i < em->em_nsections; i++) {
		const Elf64_Shdr *sh = &em->em_sections[i];
		if (sh->sh_type != SHT_NOTE || sh->sh_size < 20 ||
		    !inside(em, sh->sh_offset, sh->sh_size))
			continue;
		const uint8_t *p = em->em_base + sh->sh_offset;
		Elf64_Nhdr nh;
		memcpy(&nh, p, sizeof(nh));
		if (nh.n_type != NT_GNU_BUILD_ID || nh.n_namesz != 4 || nh.n_descsz > 64 ||
		    nh.n_descsz < 2 || sh->sh_size < 16 + nh.n_descsz)
			continue;
		int n = snprintf(path, size, "/usr/lib/debug/.build-id/%02x/", p[16]);
		for (uint32_t j = 1; j < nh.n_descsz; j++)
			n += snprintf(path + n, size - (size_t)n, "%02x", p[16 + j]);
		(void)snprintf(path + n, size - (size_t)n, ".debug");
		return (true);
	}
	return (false);
}

static bool
elf_find(const elf_map_t *em, uint32_t type, uint64_t vaddr, spl_symbol_t *ss)
{
	symtab_t st;

	return (elf_symtab(em, type, &st) && symtab_find(&st, vaddr, ss));
}

bool
spl_symbolize_file(const char *path, uint64_t vaddr, spl_symbol_t *ss)
{
	char debug[256];
	elf_map_t em, dem;
	bool found;

	if (!elf_open(path, &em))
		return (false);
	found = elf_find(&em, SHT_SYMTAB, vaddr, ss);
	if (!found && debug_path(&em, debug, sizeof(debug)) && elf_open(debug, &dem)) {
		found = elf_find(&dem, SHT_SYMTAB, vaddr, ss);
		elf_close(&dem);
	}
	if (!found)
		found = elf_find(&em, SHT_DYNSYM, vaddr, ss);
	elf_close(&em);
	return (found);
}

uint64_t
spl_symbol_lookup(const char *path, const char *name)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };
	uint64_t value = 0;
	elf_map_t em;
	symtab_t st;

	if (!elf_open(path, &em))
		return (0);
	for (size_t t = 0; t < ARRAY_SIZE(types) && value == 0; t++) {
		if (!elf_symtab(&em, types[t], &st))
			continue;
		for (size_t i = 0; i < st.st_count && value == 0; i++) {
			const Elf64_Sym *sym = &st.st_syms[i];
			if (sym->st_shndx != SHN_UNDEF && sym->st_name < st.st_names_size &&
			    strcmp(st.st_names + sym->st_name, name) == 0)
				value = sym->st_value;
		}
	}
	elf_close(&em);
	return (value);
}

/* ---- of this process ---- */

typedef struct module_search {
	uintptr_t pc;
	uintptr_t base;
	char path[512];
	bool found;
} module_search_t;

static int
module_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	module_search_t *ms = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_LOAD ||
		    ms->pc - (info->dlpi_addr + ph->p_vaddr) >= ph->p_memsz)
			continue;
		ms->base = info->dlpi_addr;
		ms->found = true;
		/* The program itself has no name here. */
		if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0') {
			const ssize_t n =
			    readlink("/proc/self/exe", ms->path, sizeof(ms->path) - 1);
			ms->path[n > 0 ? n : 0] = '\0';
		} else {
			(void)snprintf(ms->path, sizeof(ms->path), "%s", info->dlpi_name);
		}
		return (1);
	}
	return (0);
}

void
spl_symbolize(uintptr_t pc, spl_symbol_t *ss)
{
	module_search_t ms = { .pc = pc };

	(void)dl_iterate_phdr(module_at, &ms);
	ss->ss_function[0] = '\0';
	if (!ms.found) {
		(void)snprintf(ss->ss_module, sizeof(ss->ss_module), "?");
		ss->ss_offset = pc;
		return;
	}
	const char *slash = strrchr(ms.path, '/');
	(void)snprintf(ss->ss_module, sizeof(ss->ss_module), "%.*s",
	    (int)sizeof(ss->ss_module) - 1, slash != NULL ? slash + 1 : ms.path);
	ss->ss_offset = pc - ms.base;
	(void)spl_symbolize_file(ms.path, pc - ms.base, ss);
}
