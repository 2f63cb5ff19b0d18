package web_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"heed/consent"
	"heed/store/storetest"
	"heed/web"
)

// browser starts Chromium for one test, with a profile of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	storetest.Need(t, "chromium")
	// Going back loads the page anew, as it does where memory is short.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-back-forward-cache", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its sandbox to root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 20*time.Second)
	t.Cleanup(stop)
	return ctx
}

// TestInABrowser: the policy lets the style and the form through, opening the
// page changes nothing, and the button does what it says.
func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, func(o *web.Options) { o.PublicURL = "http://localhost" })
	token := b.optOutLink("ann@example.com")
	before := b.rows()
	colour := read(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("button")).backgroundColor`),
		chromedp.Navigate(b.server.URL+"/u/"+token), chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("button")))
	if colour != "rgb(11, 92, 138)" {
		t.Errorf("the button is %s: the style sheet was not let through", colour)
	}
	if b.rows() != before {
		t.Error("opening the page changed the ledger")
	}
	body := read(t, ctx, chromedp.Text(chromedp.CSS("main")), chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS(`input[value="One-Click"]`)))
	if mark := b.state("ann@example.com").Topics[1]; mark.Choice != consent.Out || mark.Via != consent.ViaPage {
		t.Errorf("the button recorded %+v; the page says %s", mark, body)
	}
	if !contains(body, "It took effect at") {
		t.Errorf("the page says %s", body)
	}
}

// read does the steps and gives what is then on the page.
func read[T any](t *testing.T, ctx context.Context, what chromedp.Action[T], steps ...chromedp.Action[chromedp.Void]) T {
	t.Helper()
	for i, step := range steps {
		if err := chromedp.Do(ctx, step); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
	text, err := chromedp.Run(ctx, what)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestChoicesInABrowser unticks one of two boxes.
func TestChoicesInABrowser(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, func(o *web.Options) { o.PublicURL = "http://localhost" })
	body := read(t, ctx, chromedp.Text(chromedp.CSS("main")), chromedp.Navigate(b.server.URL+"/p/"+b.fresh("ann@example.com")),
		chromedp.Click(chromedp.CSS(`#topic-events`)), chromedp.Click(chromedp.CSS(`.save button`)), chromedp.WaitNotPresent(chromedp.CSS("#topic-events")))
	state := b.state("ann@example.com")
	if state.Topics[2].Choice != consent.Out || state.Topics[1].Choice != consent.In || !contains(body, "Events") {
		t.Errorf("the state is %s; the page says %s", state.Encode(), body)
	}
}

// TestCopyInABrowser goes the whole way to the copy, as wide as a telephone:
// each step is one button or link, and no page is wider than the screen.
func TestCopyInABrowser(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, withRegister, func(o *web.Options) { o.PublicURL = "http://localhost" })
	_, path := b.access()
	steps := []chromedp.Action[chromedp.Void]{chromedp.EmulateViewport(390, 844), chromedp.Navigate(b.server.URL + path),
		chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("a.way")),
		chromedp.Click(chromedp.CSS("a.way")), chromedp.WaitVisible(chromedp.CSS(`form:has(input[value="page"]) button`))}
	gate := read(t, ctx, chromedp.Text(chromedp.CSS("main")), steps...)
	if contains(gate, "ann@example.com") {
		t.Errorf("the page before the copy shows it: %s", gate)
	}
	copied := read(t, ctx, chromedp.Text(chromedp.CSS("main")), chromedp.Click(chromedp.CSS(`form:has(input[value="page"]) button`)), chromedp.WaitVisible(chromedp.CSS("section")))
	if !contains(copied, "ann@example.com") || !contains(copied, "Who else has your data") {
		t.Errorf("the copy says %s", copied)
	}
	if wide := read(t, ctx, chromedp.Evaluate[string](`String(document.documentElement.scrollWidth > innerWidth)`)); wide != "false" {
		t.Error("the copy is wider than a telephone")
	}
}

// TestSignUpInABrowser fills the form in by hand and presses its button, then the one
// behind the link, with JavaScript switched off.
func TestSignUpInABrowser(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, withSignUp, func(o *web.Options) { o.PublicURL = "http://localhost" })
	off := func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	}
	body := read(t, ctx, chromedp.Text(chromedp.CSS("main")), off, chromedp.Navigate(b.server.URL+"/s"),
		chromedp.SendKeys(chromedp.CSS("#email"), "zoe@example.org"), chromedp.Click(chromedp.CSS(`label[for="topic-events"]`)),
		chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS("button")))
	if !contains(body, "Look into your mailbox") {
		t.Fatalf("the page says %s", body)
	}
	body = read(t, ctx, chromedp.Text(chromedp.CSS("main")), chromedp.Navigate(b.server.URL+b.signUpLink("zoe@example.org")),
		chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS("button")))
	if state := b.state("zoe@example.org"); !contains(body, "You are signed up") || state.Topics[2].Choice != consent.In || len(state.Topics) != 1 {
		t.Errorf("the page says %s, the state is %s", body, state.Encode())
	}
}
