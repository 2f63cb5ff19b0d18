package main_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// house says which of our packages each folder may import. A folder that is
// not named here may hold no Go code.
func house() map[string][]string {
	all := []string{"consent", "store", "templates", "mailer", "inbox", "scheduler", "worker", "web"}
	return map[string][]string{
		"consent":   nil,
		"store":     {"consent"},
		"templates": {"consent"},
		"mailer":    {"consent"},
		"inbox":     {"consent", "store"},
		"scheduler": {"store"},
		"worker":    {"consent", "store", "templates", "mailer"},
		"web":       {"consent", "store", "templates"},
		"cmd/heed":  append(all, doubles()...),

		"store/storetest":   {"consent", "store"},
		"mailer/mailertest": {"consent", "mailer"},
		"inbox/inboxtest":   {"consent", "store", "inbox"},
	}
}

// doubles are the test doubles, which each test may import.
func doubles() []string { return []string{"store/storetest", "mailer/mailertest", "inbox/inboxtest"} }

// homes says which folders may import a library, by the beginning of its path.
// A folder's test doubles count as the folder.
func homes() map[string][]string {
	return map[string][]string{
		"database/sql":                        {"store"},
		"github.com/jackc/pgx/":               {"store"},
		"modernc.org/sqlite":                  {"store"},
		"github.com/pressly/goose/":           {"store"},
		"filippo.io/age":                      {"store"},
		"github.com/wneessen/go-mail":         {"mailer"},
		"github.com/emersion/go-imap/":        {"inbox"},
		"github.com/emersion/go-sasl":         {"inbox"},
		"github.com/jhillyerd/enmime/":        {"inbox"},
		"github.com/emersion/go-msgauth":      {"mailer", "inbox"},
		"html/template":                       {"templates"},
		"github.com/yuin/goldmark":            {"templates"},
		"github.com/osteele/liquid":           {"templates"},
		"github.com/nicksnyder/go-i18n/":      {"templates"},
		"github.com/go-playground/locales":    {"templates"},
		"github.com/hibiken/asynq":            {"scheduler", "worker"},
		"github.com/redis/go-redis/":          {"scheduler", "worker", "cmd/heed"},
		"github.com/danielgtaylor/huma/":      {"web"},
		"github.com/standard-webhooks/":       {"worker", "web"},
		"github.com/alecthomas/kong":          {"cmd/heed"},
		"github.com/schollz/progressbar/":     {"cmd/heed"},
		"github.com/alicebob/miniredis/":      {"cmd/heed"},
		"github.com/prometheus/client_golang": {"store", "templates", "mailer", "inbox", "scheduler", "worker", "web", "cmd/heed"},
	}
}

// testTools may be imported by every test and by nothing else. An in-process
// Redis is a tool for tests too.
func testTools() []string {
	return []string{"testing", "github.com/alicebob/miniredis/", "github.com/google/go-cmp/", "go.uber.org/goleak",
		"pgregory.net/rapid", "github.com/rogpeppe/go-internal/", "github.com/chromedp/", "net/http/httptest"}
}

// consentForbidden is what the rules may not import, with all that lies below
// it, save what is pure (net/url, net/mail, net/netip).
func consentForbidden() []string {
	return []string{"os", "net", "net/http", "io/fs", "log", "syscall", "embed", "math/rand", "database/sql"}
}

// source is one Go file: its folder relative to the root, and what it imports.
type source struct {
	folder, name string
	imports      []string
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) double() bool { return slices.Contains(doubles(), s.folder) }

// top is the folder of the house that a package belongs to.
func top(folder string) string {
	if slices.Contains(doubles(), folder) {
		return path.Dir(folder)
	}
	return folder
}

// under tells whether an import path is a library or lies in it. A library's
// path that ends with a slash names all versions below it.
func under(path, library string) bool {
	return path == strings.TrimSuffix(library, "/") || strings.HasPrefix(path, strings.TrimSuffix(library, "/")+"/")
}

// judge says what is wrong with the imports of one file.
func judge(s source) []string {
	allowed, known := house()[s.folder]
	if !known {
		return []string{fmt.Sprintf("%s/%s: the house has no folder %q for Go code", s.folder, s.name, s.folder)}
	}
	var wrong []string
	for _, path := range s.imports {
		if why := objection(s, path, allowed); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s/%s imports %s: %s", s.folder, s.name, path, why))
		}
	}
	return wrong
}

func objection(s source, path string, allowed []string) string {
	if ours, is := strings.CutPrefix(path, "heed/"); is {
		return objectionToOurs(s, ours, allowed)
	}
	if slices.ContainsFunc(testTools(), func(tool string) bool { return under(path, tool) }) && (s.test() || s.double()) {
		return ""
	}
	if s.folder == "consent" && !s.test() {
		return objectionForConsent(path)
	}
	for library, folders := range homes() {
		if under(path, library) && !slices.Contains(folders, top(s.folder)) {
			return fmt.Sprintf("only %s may", strings.Join(folders, ", "))
		}
	}
	return objectionToTool(path)
}

func objectionToOurs(s source, ours string, allowed []string) string {
	if slices.Contains(doubles(), ours) && !s.test() && !s.double() && !strings.HasPrefix(s.name, "demo") {
		return "a test double is for tests and the demo"
	}
	if slices.Contains(allowed, ours) || s.test() && (ours == s.folder || slices.Contains(doubles(), ours)) {
		return ""
	}
	return fmt.Sprintf("%s may import only %v of our packages", s.folder, allowed)
}

// objectionToTool keeps what is made for tests out of the program. A tool that
// has a home besides (miniredis, the in-process Redis) was judged before.
func objectionToTool(path string) string {
	for _, tool := range testTools() {
		if _, housed := homes()[tool]; !housed && under(path, tool) {
			return "it is a tool for tests"
		}
	}
	return ""
}

func objectionForConsent(path string) string {
	pure := slices.Contains([]string{"net/url", "net/mail", "net/netip"}, path)
	if !pure && slices.ContainsFunc(consentForbidden(), func(f string) bool { return under(path, f) }) {
		return "the rules do no I/O and have no clock"
	}
	first, _, _ := strings.Cut(path, "/")
	outside := strings.Contains(first, ".")
	if outside && path != "golang.org/x/text/unicode/norm" && path != "golang.org/x/net/idna" {
		return "the rules need the standard library, x/text/unicode/norm and x/net/idna"
	}
	return ""
}
