package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"heed/consent"
	"heed/web"
)

func scriptsOff(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return chromedp.Void{}, err
}

// TestBackAndReload goes from the newsletter's link to the page with all choices and
// back, and loads each answer anew: it says the same, nothing is posted again, and
// nothing changes twice. JavaScript is off.
func TestBackAndReload(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, func(o *web.Options) { o.PublicURL = "http://localhost" })
	shows := func(want string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if body := read(t, ctx, chromedp.Text(chromedp.CSS("main")), steps...); !contains(body, want) {
			t.Fatalf("the page lacks %q: %s", want, body)
		}
	}
	posted := func(event string, want int) {
		t.Helper()
		if n := strings.Count(b.log.String(), "msg="+event); n != want {
			t.Fatalf("%s %d times, want %d", event, n, want)
		}
	}
	button, main := chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("main"))

	shows("It took effect at", scriptsOff, chromedp.Navigate(b.server.URL+"/u/"+b.optOutLink("ann@example.com")), button, chromedp.WaitNotPresent(chromedp.CSS(`input[value="One-Click"]`)))
	shows("It took effect at", chromedp.Reload(), chromedp.Reload(), main)
	shows("are stopped", chromedp.Click(chromedp.CSS(`a[href*="/p/"]`)), chromedp.WaitVisible(chromedp.CSS("section h2")))
	shows("It took effect at", chromedp.NavigateBack(), chromedp.WaitNotPresent(chromedp.CSS("section h2")))
	posted("optout_recorded", 1)

	centre := chromedp.WaitVisible(chromedp.CSS("#topic-events"))
	saved := chromedp.WaitNotPresent(chromedp.CSS("#topic-events"))
	shows("Events", chromedp.Navigate(b.server.URL+"/p/"+b.fresh("ann@example.com")), centre, chromedp.Click(chromedp.CSS("#topic-events")), chromedp.Click(chromedp.CSS(`.save button`)), saved)
	shows("Events", chromedp.Reload(), saved)
	shows("Events", chromedp.NavigateBack(), centre)
	shows("Events", chromedp.NavigateForward(), saved)
	if b.state("ann@example.com").Topics[2].Choice != consent.Out {
		t.Fatal("the tick that was taken away counts for nothing")
	}
	undo, back := chromedp.Click(chromedp.CSS(`form:has(input[name="undo"]) button`)), chromedp.WaitNotPresent(chromedp.CSS(`input[name="topic"]`))
	shows("Events", undo, back)
	shows("Events", chromedp.Reload(), back)
	posted("choices_saved", 2)
	if s := b.state("ann@example.com"); s.Topics[2].Choice != consent.In || s.Topics[1].Choice != consent.Out {
		t.Errorf("the state is %s", s.Encode())
	}
	rows := b.rows()
	shows("changed nothing", chromedp.NavigateBack(), saved, undo, chromedp.WaitNotPresent(chromedp.CSS(`input[name="undo"]`)))
	if b.rows() != rows {
		t.Error("the button that takes a change back did so twice")
	}
}

// TestWhatAnAddressSaysIsLookedUp: the page that says again what was done is not
// shown for what is not so, and programs are never sent on.
func TestWhatAnAddressSaysIsLookedUp(t *testing.T) {
	b := newBench(t)
	token, browser := b.optOutLink("ann@example.com"), []string{"Sec-Fetch-Mode", "navigate"}
	b.click(token).wants(t, 200)
	b.ask("POST", "/u/"+b.optOutLink("ben@example.com")+"?page=1", urlencoded, "List-Unsubscribe=One-Click").wants(t, 200, "Erledigt")
	again := b.ask("POST", "/u/"+token+"?page=1&lang=de", urlencoded, "List-Unsubscribe=One-Click", browser...)
	to := again.header.Get("Location")
	if again.wants(t, http.StatusSeeOther); !strings.HasPrefix(to, "/news/u/"+token+"?lang=de&done=") || again.header.Get("Heed-Effective-At") == "" {
		t.Fatalf("sent on to %q", to)
	}
	b.ask("GET", to, "", "").wants(t, 200, "schon abbestellt", `href="?again=1&amp;done=3&amp;of=topic%3A1&amp;lang=fr"`)
	rows := b.rows()
	for _, other := range []string{"done=99999&of=topic:1", "done=1&of=topic:2", "done=1&of=sharing", "done=x", "saved=1"} {
		b.ask("GET", "/u/"+token+"?"+other, "", "").wants(t, 200, "One-Click")
	}
	_, query, _ := strings.Cut(to, "?")
	b.ask("GET", "/u/"+b.optOutLink("ben@example.com")+"?"+query, "", "").wants(t, 200, "One-Click")
	centre := "/p/" + b.fresh("ann@example.com")
	b.ask("GET", centre+"?saved=1", "", "").wants(t, 200, "topic-events")
	b.ask("POST", centre, urlencoded, "topic=product", browser...).wants(t, http.StatusSeeOther)
	if b.rows() == rows {
		t.Error("a yes on the page with all choices counts for nothing")
	}
	b.ask("GET", to, "", "").wants(t, 200, "One-Click")
}
