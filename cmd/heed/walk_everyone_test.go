package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"heed/consent"
	"heed/store"
)

// walker is one person who goes their way in one language. What they press is counted.
type walker struct {
	*street
	lang, email string
	presses     int
}

// TestEveryPageWalked goes every way that a person can go, in four languages, from
// the mail as a mail program shows it to the row of the ledger: who stops, who
// chooses, who asks for a copy, a correction or a deletion, who signs up, who uses a
// service no more, in whose name somebody wrote, who is asked about a new policy, and
// who moves to another address.
func TestEveryPageWalked(t *testing.T) {
	h := openStreet(t)
	_, err := h.s.PublishPolicy(t.Context(), store.Publication{PolicyVersion: consent.PolicyVersion{ID: "2026-02", Hash: []byte{1}, Text: "# More\n\nWords.",
		Purposes: []string{"news", "research"}}, Material: true})
	if err != nil {
		t.Fatal(err)
	}
	ways := []struct {
		name string
		walk func(*walker)
	}{{"signs up and leaves", (*walker).comesAndGoes}, {"chooses", (*walker).chooses}, {"asks", (*walker).asks}, {"is deleted", (*walker).isDeleted},
		{"uses it no more", (*walker).usesNoMore}, {"did not write", (*walker).didNotWrite}, {"agrees", (*walker).agrees}, {"moves", (*walker).moves}, {"lost the link", (*walker).lostTheLink}}
	for _, lang := range []string{"en", "de", "ar", "pl"} {
		for _, way := range ways {
			t.Run(lang+": "+way.name, func(t *testing.T) {
				h.t = t
				way.walk(&walker{street: h, lang: lang, email: strings.ReplaceAll(way.name, " ", ".") + "." + lang + "@example.com"})
			})
		}
	}
	h.t = t
	h.holds()
}

// sees waits for a page in the walker's own language that has what a selector names.
func (w *walker) sees(selector string) {
	w.t.Helper()
	direction := "ltr"
	if w.lang == "ar" {
		direction = "rtl"
	}
	whole := fmt.Sprintf(`html[lang=%s][dir=%s] %s`, w.lang, direction, selector)
	ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
	defer stop()
	if err := chromedp.Do(ctx, chromedp.WaitReady(chromedp.CSS(whole))); err != nil {
		at, _ := chromedp.Run(w.ctx, chromedp.Location())
		text, _ := chromedp.Run(w.ctx, chromedp.Text(chromedp.CSS("body")))
		w.t.Fatalf("no page with %s: %v; %s says\n%s", whole, err, at, text)
	}
}

// at is the address of the page that is open.
func (w *walker) at() string {
	w.t.Helper()
	at, err := chromedp.Run(w.ctx, chromedp.Location())
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// press clicks what a selector names, which is then seen to be gone.
func (w *walker) press(selector string) {
	w.t.Helper()
	w.presses++
	w.do(chromedp.Click(chromedp.CSS(selector)))
}

// opens waits for the next mail and opens it; presses its link that a path names.
func (w *walker) opens(path string) {
	w.t.Helper()
	w.letter()
	w.press(`a[href*="` + path + `"]`)
}

// letter opens the next mail, which speaks the walker's language.
func (w *walker) letter() {
	w.t.Helper()
	text := w.mail(w.email)
	if hello := map[string]string{"en": "Hello", "de": "Guten Tag", "ar": "تحية", "pl": "Dzień dobry"}[w.lang]; strings.Contains(w.shown, "<table") {
		w.sees("body")
	} else if !strings.HasPrefix(text, hello) {
		w.t.Errorf("the letter begins otherwise than with %s:\n%s", hello, text)
	}
}

func (w *walker) mark(topic int) consent.Mark { return w.state(w.email).Topics[topic] }

// comesAndGoes signs up by the form, and leaves by the link in a newsletter with no
// more presses than that took (GDPR Art. 7(3)). Typing is not counted.
func (w *walker) comesAndGoes() {
	w.do(chromedp.Navigate(w.pages.URL + "/s?lang=" + w.lang))
	w.sees("form #email")
	w.press("main button")
	w.sees(".errors a[href='#email']")
	w.presses = 0
	w.do(chromedp.SendKeys(chromedp.CSS("#email"), w.email))
	w.press(`label[for="topic-product"]`)
	w.press("main button")
	w.sees("main:not(:has(form))")
	w.opens("/s/")
	w.sees(`input[name=confirm][value=signup]`)
	if len(w.state(w.email).Topics) != 0 {
		w.t.Error("opening the page signed somebody up")
	}
	w.press("main button")
	w.sees(`a.way[href*="/p/"]`)
	in := w.presses
	if mark := w.mark(1); mark.Choice != consent.In || mark.Via != consent.ViaConfirmed {
		w.t.Errorf("signing up is recorded as %+v", mark)
	}
	w.sends(w.lang, w.email)
	w.presses = 0
	w.opens("/u/")
	w.sees(`input[name="List-Unsubscribe"]`)
	w.press("main button:not(.quiet)")
	w.sees(`form[action*="/link"]`)
	if mark := w.mark(1); mark.Choice != consent.Out || mark.Via != consent.ViaPage {
		w.t.Errorf("leaving is recorded as %+v", mark)
	}
	if w.presses > in {
		w.t.Errorf("leaving takes %d presses, signing up %d", w.presses, in)
	}
	w.t.Logf("signing up takes %d presses, leaving %d", in, w.presses)
}

// chooses goes from a newsletter to a link of their own and uses all of its page.
func (w *walker) chooses() {
	w.knows(w.email, w.lang)
	w.sends(w.lang, w.email)
	w.opens("/w/")
	w.reads("Hello.")
	w.do(chromedp.Navigate(w.mails.URL))
	w.press(`a[href*="/p/"]`)
	w.sees(`input[name=fresh]`)
	w.press(`input[name=fresh] ~ button`)
	w.sees("main:not(:has(form))")
	w.opens("/p/")
	w.sees("#topic-events")
	w.do(chromedp.SetAttributeValue(chromedp.CSS("#pause-until"), "value", "2001-01-01"))
	w.press(".save button")
	w.sees(`.errors a[href="#pause-until"]`)
	w.do(chromedp.SetAttributeValue(chromedp.CSS("#pause-until"), "value", ""))
	w.press("#topic-events")
	w.press("#sharing")
	w.press(".save button")
	w.sees("main ul li")
	if state := w.state(w.email); state.Topics[2].Choice != consent.Out || state.Sharing.Choice != consent.In || state.Pause != 0 {
		w.t.Errorf("the state is %s", state.Encode())
	}
	w.press("button.quiet")
	if err := eventually(w.ctx, 8*time.Second, "the undo", func() (bool, error) {
		state := w.state(w.email)
		return state.Topics[2].Choice == consent.In && state.Sharing.Choice == consent.Out, nil
	}); err != nil {
		w.t.Errorf("%v: the state is %s", err, w.state(w.email).Encode())
	}
	w.press(".ways a.way")
	w.sees(`a[href*="/history"]`)
	w.press(`a[href*="/history"]`)
	w.sees("dl + dl")
	w.press(".ways a.way")
	w.sees(`input[name=scope] ~ button`)
	w.press(`input[name=scope] ~ button`)
	w.sees("main > p.soft")
	if mark := w.state(w.email).Marketing; mark.Choice != consent.Out || mark.Via != consent.ViaPage {
		w.t.Errorf("recorded as %+v", mark)
	}
}

// fresh asks for a link of one's own, and opens the page with what can be asked for.
func (w *walker) fresh() {
	w.t.Helper()
	w.knows(w.email, w.lang)
	w.do(chromedp.Navigate(w.pages.URL + "/link?lang=" + w.lang))
	w.sees("#email")
	w.do(chromedp.SendKeys(chromedp.CSS("#email"), w.email))
	w.press("main button")
	w.sees("main:not(:has(form))")
	w.opens("/p/")
	w.sees(`a[href*="/requests"]`)
	w.press(`a[href*="/requests"]`)
	w.sees("textarea")
}

// asks for a correction, takes it back, asks for a copy, reads it, and closes it.
func (w *walker) asks() {
	w.fresh()
	page := w.at()
	w.press(`input[value=correct] ~ button`)
	w.sees(".errors a")
	w.do(chromedp.SendKeys(chromedp.CSS("textarea"), "Ann, not Anne"))
	w.press(`input[value=correct] ~ button`)
	w.sees(`a[href*="/q/"]`)
	w.press(`a[href*="/q/"]`)
	w.sees("ol.steps")
	w.press("main button")
	w.sees("main:not(:has(form))")
	if w.state(w.email).Hold != 0 {
		w.t.Error("the request was withdrawn, and the hold stands")
	}
	w.do(chromedp.Navigate(page))
	w.sees("textarea")
	w.press(`input[value=copy] ~ button`)
	w.sees(`a[href*="/q/"]`)
	w.letter()
	w.press(`a[href*="/q/"]`) // the letter leads there too
	w.sees("ol.steps .now")
	w.do(chromedp.Navigate(w.mails.URL))
	w.press(`a[href*="/c/"]`)
	w.sees(`input[value=copy]`)
	w.press("main button")
	w.sees(`a.way[href*="/r/"]`)
	w.press(`a.way[href*="/r/"]`)
	w.sees(`input[value=page]`)
	page = w.at()
	if text := w.reads(); strings.Contains(text, w.email) {
		w.t.Errorf("the page before the copy shows it:\n%s", text)
	}
	w.press(`input[value=page] ~ button`)
	w.sees("section dl")
	w.reads(w.email)
	w.do(chromedp.Navigate(page))
	w.sees(`input[value=close]`)
	w.press(`input[value=close] ~ button`)
	w.sees(`a.way[href*="/link"]`)
}

// isDeleted asks for it on the page, and confirms it from the letter.
func (w *walker) isDeleted() {
	w.fresh()
	w.press(`input[value=delete] ~ button`)
	w.sees(`a[href*="/q/"]`)
	if w.state(w.email).Hold == 0 {
		w.t.Error("nothing is on hold")
	}
	w.opens("/c/")
	w.sees(`input[value=delete]`)
	if w.state(w.email).Erased != 0 {
		w.t.Error("opening the page deleted somebody")
	}
	w.press("main button")
	w.sees(`a[href*="/q/"]`)
	if err := eventually(w.ctx, 30*time.Second, "the erasure", func() (bool, error) { return w.state(w.email).Erased != 0, nil }); err != nil {
		w.t.Error(err)
	}
	w.press(`a[href*="/q/"]`)
	w.sees("ol.steps")
}

// usesNoMore gets a service alert and says so: a check begins, and nothing else.
func (w *walker) usesNoMore() {
	if _, err := w.s.Import(w.t.Context(), []store.Contact{{Email: w.email, Language: w.lang, Services: []string{"files"}}}, "", false); err != nil {
		w.t.Fatal(err)
	}
	w.starts(store.Campaign{Name: "a", Class: consent.Alert, Service: 1, AlertKey: w.email, Source: "---\nsubject: Tonight\nservice: files\nlanguage: " + w.lang + "\n---\nTonight.\n"}, w.email)
	w.opens("/n/")
	w.sees("main form")
	w.press("main button")
	w.sees("main:not(:has(form))")
	if open, err := w.s.ServiceChecks(w.t.Context(), true); err != nil || len(open) == 0 {
		w.t.Errorf("%d checks are open, %v", len(open), err)
	}
}

// didNotWrite is told that somebody wrote in their name, and takes it back.
func (w *walker) didNotWrite() {
	w.knows(w.email, w.lang)
	_, err := w.s.RecordMail(w.t.Context(), store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: time.Now().UnixNano(), Digest: w.email, MessageID: "<" + w.email + ">", Received: time.Now(),
		Request: consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: w.email}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.opens("/b/")
	w.sees(`input[name=undo]`)
	if w.state(w.email).Marketing.Choice != consent.Out {
		w.t.Error("nothing was stopped, or opening the page brought it back")
	}
	w.press("main button")
	w.sees("main:not(:has(form))")
	if state := w.state(w.email); state.Marketing.Choice == consent.Out || state.Topics[1].Choice != consent.In {
		w.t.Errorf("the state is %s", state.Encode())
	}
	w.do(chromedp.Reload())
	w.sees("main:not(:has(form))")
	at, err := chromedp.Run(w.ctx, chromedp.Location())
	if err != nil {
		w.t.Fatal(err)
	}
	path, _, _ := strings.Cut(at, "?")
	w.do(chromedp.Navigate(path + "?said=" + w.lang)) // the link of the letter once more
	w.sees(`a.way[href*="/link"]`)
}

// agrees reads of a new version of the policy, and agrees to it.
func (w *walker) agrees() {
	w.knows(w.email, w.lang)
	w.starts(store.Campaign{Name: "p", Class: consent.PolicyNotice, Policy: "2026-02", Source: "---\nclass: policy_notice\nsubject: News\npolicy: 2026-02\nlanguage: " + w.lang + "\n---\nHello.\n"}, w.email)
	w.opens("/v/")
	w.sees("article")
	w.reads("research")
	w.starts(store.Campaign{Name: "c", Class: consent.ConsentRequest, Policy: "2026-02", Source: "---\nclass: consent_request\nsubject: News\npolicy: 2026-02\nlanguage: " + w.lang + "\n---\nHello.\n"}, w.email)
	w.opens("/a/")
	w.sees(`input[value=agree]`)
	if w.mark(1).Policy == "2026-02" {
		w.t.Error("opening the page agreed to it")
	}
	w.press("main button")
	w.sees(`a.way[href*="/p/"]`)
	if mark := w.mark(1); mark.Choice != consent.In || mark.Policy != "2026-02" {
		w.t.Errorf("recorded as %+v", mark)
	}
}

// moves to another address: each mailbox has its own link.
func (w *walker) moves() {
	w.knows(w.email, w.lang)
	old, fresh := w.email, "new."+w.email
	if _, err := w.s.MoveContact(w.t.Context(), old, fresh, 0, "kim"); err != nil {
		w.t.Fatal(err)
	}
	w.opens("/m/")
	w.sees(`input[value=move]`)
	w.press("main button")
	w.sees("main:not(:has(form))")
	w.email = fresh
	w.opens("/m/")
	w.sees(`input[value=move]`)
	w.press("main button")
	w.sees("main:not(:has(form))")
	if mark := w.mark(1); mark.Choice != consent.In {
		w.t.Errorf("at the new address the state is %+v", mark)
	}
}

// lostTheLink comes to the pages that lead whoever is lost back.
func (w *walker) lostTheLink() {
	for _, path := range []string{"/", "/u/cut", "/nowhere"} {
		w.do(chromedp.Navigate(w.pages.URL + path + "?lang=" + w.lang))
		w.sees(`a.way[href*="/link"]`)
	}
	w.press(`a.way[href*="/link"]`)
	w.sees("#email")
	w.do(chromedp.SendKeys(chromedp.CSS("#email"), "ann@"))
	w.press("main button")
	w.sees(`.errors a[href="#email"]`)
	if _, err := w.s.RegisterAccount(w.t.Context(), store.Contact{Email: w.email, Language: w.lang, ExternalID: w.email}); err != nil {
		w.t.Fatal(err)
	}
	w.opens("/p/")
	w.sees("main")
}
