package store_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// yesPaths are the functions that make an act which may be a yes, or may take a no
// away, each with the steps of TestNothingButOnesOwnActTurnsANoIntoAYes that go
// through it, or with why no yes can come of it.
var yesPaths = map[string]string{
	"firstYeses":        "import",
	"sayYes":            "api",
	"yeses":             "move",
	"signUpActs":        "click",
	"agreeing":          "agree",
	"wishes":            "centre",
	"returns":           "undo",
	"parseLine":         "it reads what replay repeats",
	"replay":            "restore",
	"choice":            "takeover",
	"recordRestriction": "the scope is restricted, which is no choice",
}

// TestEveryPathToAYesIsKnown finds, in the code of this folder, every function that
// makes an act whose choice is not plainly a no, a status or a note. A new one fails
// here until the property test walks it, or until it is said above why no yes can
// come of it.
func TestEveryPathToAYesIsKnown(t *testing.T) {
	found := map[string]bool{}
	for _, f := range functions(t) {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.KeyValueExpr:
				if key, is := x.Key.(*ast.Ident); is && key.Name == "choice" && mayBeAYes(x.Value) && !liftsAStatus(f, x) {
					found[f.Name.Name] = true
				}
			case *ast.AssignStmt:
				for i, left := range x.Lhs {
					if one, is := left.(*ast.SelectorExpr); is && one.Sel.Name == "choice" && i < len(x.Rhs) && mayBeAYes(x.Rhs[i]) {
						found[f.Name.Name] = true
					}
				}
			}
			return true
		})
	}
	if len(found) < 5 {
		t.Fatalf("only %v are found: the code is not read", found)
	}
	for name := range found {
		if yesPaths[name] == "" {
			t.Errorf("%s makes an act that may be a yes, and is new: walk it in TestNothingButOnesOwnActTurnsANoIntoAYes, or say in yesPaths why no yes comes of it", name)
		}
	}
	for name, how := range yesPaths {
		if !found[name] {
			t.Errorf("%s makes no such act any more: take it out of yesPaths", name)
		}
		if _, walked := steps[how]; !walked && !strings.Contains(how, " ") {
			t.Errorf("%s is said to be walked by the step %s, which there is not", name, how)
		}
	}
}

func mayBeAYes(choice ast.Expr) bool {
	one, is := choice.(*ast.SelectorExpr)
	return !is || one.Sel.Name != "Out" && one.Sel.Name != "Set" && one.Sel.Name != "Note"
}

// liftsAStatus tells whether the same act names a status as its scope: lifting it
// is no choice of anybody.
func liftsAStatus(f *ast.FuncDecl, choice *ast.KeyValueExpr) (status bool) {
	if one, is := choice.Value.(*ast.SelectorExpr); !is || one.Sel.Name != "Lift" {
		return false
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if literal, is := n.(*ast.CompositeLit); is && slices.Contains(literal.Elts, ast.Expr(choice)) {
			var text strings.Builder
			_ = printer.Fprint(&text, token.NewFileSet(), literal)
			status = !regexp.MustCompile(`Scope(Marketing|Partner|Sharing)|TopicScope`).MatchString(text.String())
		}
		return true
	})
	return status
}

func functions(t *testing.T) (all []*ast.FuncDecl) {
	t.Helper()
	for _, file := range sources(t) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		must(t, err)
		for _, one := range parsed.Decls {
			if f, is := one.(*ast.FuncDecl); is && f.Body != nil {
				all = append(all, f)
			}
		}
	}
	return all
}

func sources(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	must(t, err)
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

// TestOnlyRecordWritesTheLedger: no other statement appends to the ledger, or writes
// what it folds to.
func TestOnlyRecordWritesTheLedger(t *testing.T) {
	for _, file := range sources(t) {
		text, err := os.ReadFile(file)
		must(t, err)
		for _, statement := range []string{`INSERT INTO ledger`, `UPDATE ledger`, `DELETE FROM ledger`, `UPDATE address SET`, `INSERT INTO address \(key, `} {
			if file != "ledger.go" && regexp.MustCompile(statement).Match(text) {
				t.Errorf("%s has %s: only record in ledger.go writes it", file, statement)
			}
		}
	}
}
