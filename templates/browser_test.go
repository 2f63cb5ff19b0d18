package templates

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"heed/store/storetest"
)

// eye looks at pages with a real Chromium.
type eye struct {
	t   *testing.T
	ctx context.Context
	url string
}

// openEyes starts Chromium and serves pages to it.
func openEyes(t *testing.T, all map[string]func(io.Writer) error) *eye {
	t.Helper()
	storetest.Need(t, "chromium")
	options := chromedp.DefaultExecAllocatorOptions[:]
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its sandbox to root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(stop)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		write, known := all[strings.TrimPrefix(r.URL.Path, "/")]
		if !known {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := write(w); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &eye{t, ctx, server.URL}
}

// see sets how wide the window is, and what its owner prefers: "light" or "dark", forced colours or none.
func (e *eye) see(width int64, scheme string, forced bool) {
	e.t.Helper()
	colours := "none"
	if forced {
		colours = "active"
	}
	prefer := func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: colours}}})
		return chromedp.Void{}, err
	}
	focused := func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return chromedp.Void{}, err
	}
	e.do(chromedp.EmulateViewport(width, 800), focused, prefer)
}

func (e *eye) do(steps ...chromedp.Action[chromedp.Void]) {
	e.t.Helper()
	if err := chromedp.Do(e.ctx, steps...); err != nil {
		e.t.Fatal(err)
	}
}

func ask[T any](e *eye, script string) T {
	e.t.Helper()
	got, err := chromedp.Run(e.ctx, chromedp.Evaluate[T](script, func(p *runtime.EvaluateParams) { p.AwaitPromise = &yes }))
	if err != nil {
		e.t.Fatal(err)
	}
	return got
}

var yes = true

// violations runs axe-core over the page, all its rules for WCAG 2.2 A and AA and its best practices, or some of them.
func (e *eye) violations(only ...string) []string {
	e.t.Helper()
	run := `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	if len(only) > 0 {
		run = fmt.Sprintf(`{type: "rule", values: ["%s"]}`, strings.Join(only, `", "`))
	}
	return ask[[]string](e, `axe.run({runOnly: `+run+`}).then(r => r.violations.map(v => v.id + ": " + v.help + " at " + v.nodes.map(n => n.target.join(" ") + " " + (n.any[0] || n.all[0] || n.none[0]).message).join("; ")))`)
}

// small lists what can be pressed and is smaller than 24 by 24 pixels (WCAG 2.2, 2.5.8).
const small = `[...document.querySelectorAll("a, button, input:not([type=hidden]):not([tabindex='-1']), textarea, select")].filter(e => {
	const box = e.getBoundingClientRect(); return box.width < 24 || box.height < 24 }).map(e => e.outerHTML.slice(0, 80))`

// wide tells by how many pixels the page is wider than its window.
const wide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// lost lists what cannot be told from the page any more where colours are forced: a text in the colour of what it stands on, a
// field or button without an edge of its own.
const lost = `(() => {
	const ground = e => { for (; e; e = e.parentElement) { const b = getComputedStyle(e).backgroundColor; if (!/^rgba.*, 0\)$/.test(b)) return b } return "rgb(255, 255, 255)" };
	return [...document.querySelectorAll("button, input:not([type=hidden]):not([tabindex='-1']), textarea, a, h1, h2, p, li, label, legend, dt, dd")].filter(e => {
		const s = getComputedStyle(e), field = e.matches("button, input:not([type=checkbox]), textarea");
		return e.getClientRects().length && (s.color === ground(e) || field && (s.borderTopStyle === "none" || s.borderTopColor === ground(e.parentElement)));
	}).map(e => e.outerHTML.slice(0, 80)) })()`

// dull lists what the keyboard does not reach in the order of the page, or does not show where it is (WCAG 2.2, 2.1.1, 2.4.7).
const dull = `[...document.querySelectorAll("a, button, input:not([type=hidden]):not([tabindex='-1']), textarea")].filter(e => {
	e.focus({focusVisible: true});
	return document.activeElement !== e || e.tabIndex !== 0 || getComputedStyle(e).outlineStyle === "none" }).map(e => e.outerHTML.slice(0, 80))`

// TestPagesInChromium looks at every page in every state, with axe-core in light, dark and forced colours, at 320 pixels (a
// window of 1,280 at 400 %, WCAG 2.2, 1.4.10), and at the size of what can be pressed. Arabic runs from right to left; the
// made-up language is half as long again as English.
func TestPagesInChromium(t *testing.T) {
	script, err := os.ReadFile("../web/testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	pseudo := speakPseudo(t)
	all := map[string]func(io.Writer) error{}
	for _, lang := range []string{"en", "ar", pseudo} {
		for name, write := range allPages(lang) {
			all[lang+"/"+name] = write
		}
	}
	e := openEyes(t, all)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		lang, _, _ := strings.Cut(path, "/")
		e.see(1280, "light", false)
		e.do(chromedp.Navigate(e.url + "/" + path))
		if lang == "en" || lang == "ar" {
			ask[bool](e, string(script)+"; true")
			for _, v := range e.violations() {
				t.Errorf("%s: %s", path, v)
			}
		}
		if lang == "en" {
			e.see(1280, "dark", false)
			for _, v := range e.violations("color-contrast") {
				t.Errorf("%s, dark: %s", path, v)
			}
			e.see(1280, "light", true)
			for _, v := range append(e.violations("color-contrast", "link-in-text-block"), ask[[]string](e, lost)...) {
				t.Errorf("%s, forced colours: %s", path, v)
			}
		}
		e.see(320, "light", false)
		if n := ask[int](e, wide); n > 0 {
			t.Errorf("%s is %d pixels wider than a window of 320", path, n)
		}
		for _, one := range ask[[]string](e, dull) {
			t.Errorf("%s: the keyboard does not reach it, or does not show it: %s", path, one)
		}
		for _, one := range ask[[]string](e, small) {
			t.Errorf("%s: too small to be pressed: %s", path, one)
		}
	}
}

// TestAxeFindsWhatIsWrong: the checks above can fail.
func TestAxeFindsWhatIsWrong(t *testing.T) {
	script, err := os.ReadFile("../web/testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	e := openEyes(t, map[string]func(io.Writer) error{"bad": func(w io.Writer) error {
		_, err := io.WriteString(w, `<!doctype html><html><title>T</title><main><h1>T</h1><p style="color:#bbb;background:#fff">pale</p>
			<input type="text"><button style="width:9px;height:9px;border:0;outline:0"></button><div style="width:900px">wide</div></main></html>`)
		return err
	}})
	e.see(320, "light", false)
	e.do(chromedp.Navigate(e.url + "/bad"))
	ask[bool](e, string(script)+"; true")
	found := strings.Join(e.violations(), "\n")
	for _, rule := range []string{"html-has-lang", "color-contrast", "label", "button-name"} {
		if !strings.Contains(found, rule) {
			t.Errorf("axe-core does not find %s:\n%s", rule, found)
		}
	}
	e.see(320, "light", true)
	if len(ask[[]string](e, lost)) == 0 {
		t.Error("a button without an edge is not found where colours are forced")
	}
	if ask[int](e, wide) <= 0 || len(ask[[]string](e, small)) == 0 || len(ask[[]string](e, dull)) != 1 {
		t.Error("a page that is too wide, a button that is too small, or one that shows no focus, is not found")
	}
}
