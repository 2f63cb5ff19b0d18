package web_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"heed/consent"
	"heed/store"
	"heed/web"
)

// forged opts somebody out by a mail that proves nothing, and gives the link of
// the notice.
func (b *bench) forged(email string) (token string) {
	b.t.Helper()
	ctx := context.Background()
	_, err := b.s.RecordMail(ctx, store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: 1, Digest: email, Received: time.Now(),
		Request: consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: email}})
	if err != nil {
		b.t.Fatal(err)
	}
	all, err := b.s.Letters(ctx, b.key(email))
	if err != nil || len(all) != 1 || all[0].Undo == 0 {
		b.t.Fatalf("letters %+v, %v", all, err)
	}
	return b.s.UndoToken(b.key(email), all[0].Undo)
}

// TestUndoPage: opening changes nothing, the button brings back what the mail
// stopped, and the link is used up.
func TestUndoPage(t *testing.T) {
	b := newBench(t)
	token := b.forged("ann@example.com")
	before := b.rows()
	for _, method := range []string{"GET", "HEAD"} {
		b.ask(method, "/b/"+token, "", "").wants(t, 200)
	}
	page := b.ask("GET", "/b/"+strings.ToUpper(token), "", "")
	page.wants(t, 200, "Get the emails again?", "all newsletters and offers", "a••@example.com", `action="/news/b/`+token+`"`, `name="undo" value="yes"`)
	b.ask("POST", "/b/"+token, urlencoded, "undo=perhaps").wants(t, 400, "<button")
	b.ask("POST", "/b/"+token+"?undo=yes", "", "").wants(t, 400)
	if b.rows() != before || b.state("ann@example.com").Topics[1].Choice != consent.Out {
		t.Error("looking changed the ledger")
	}
	b.ask("POST", "/b/"+token, urlencoded, "undo=yes").wants(t, 200, "You have it again")
	state := b.state("ann@example.com")
	if state.Topics[1].Choice != consent.In || state.Topics[2].Choice != consent.In || state.Topics[1].Via != consent.ViaConfirmed || state.Marketing.Choice != "" {
		t.Errorf("the state is %s", state.Encode())
	}
	b.click(b.optOutLink("ann@example.com"))
	for _, method := range []string{"GET", "POST"} {
		b.ask(method, "/b/"+token, urlencoded, "undo=yes").wants(t, 200, "There is nothing to take back")
	}
	if b.state("ann@example.com").Topics[1].Choice != consent.Out {
		t.Error("a used link turned back a later opt-out")
	}
}

// TestUndoPageInTheirLanguage: each of the languages, in all its states.
func TestUndoPageInTheirLanguage(t *testing.T) {
	for lang, words := range map[string][3]string{
		"en": {"Get the emails again?", "This link has run out", "You have it again"},
		"de": {"wieder erhalten?", "Dieser Link ist abgelaufen", "Sie haben es wieder"},
		"fr": {"Recevoir de nouveau", "Ce lien a expiré", "Tout est comme avant"},
		"es": {"¿Recibir otra vez", "Este enlace ha caducado", "Lo tiene otra vez"},
		"it": {"Ricevere di nuovo", "Questo link è scaduto", "Tutto è tornato"},
		"pt": {"Voltar a receber", "Este link expirou", "Tudo voltou a ser"},
		"nl": {"weer ontvangen?", "Deze link is verlopen", "Alles is weer zoals het was"},
		"pl": {"Znów otrzymywać", "Ten link stracił ważność", "Wszystko jest znów tak"},
		"ru": {"Снова получать", "Срок действия ссылки истёк", "Всё снова так"},
		"uk": {"Знову отримувати", "Строк дії посилання минув", "Усе знову так"},
		"tr": {"yeniden gelsin mi?", "Bu bağlantının süresi doldu", "önceki hâline döndü"},
		"ar": {"هل تعود الرسائل", "انتهت صلاحية هذا الرابط", "عاد كل شيء كما كان"},
	} {
		now := time.Now()
		b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
		token := b.forged("ann@example.com")
		b.ask("GET", "/b/"+token, "", "", "Accept-Language", lang).wants(t, 200, words[0], `<html lang="`+lang+`"`)
		now = now.Add(store.UndoFor + time.Hour)
		b.ask("POST", "/b/"+token, urlencoded, "undo=yes", "Accept-Language", lang).wants(t, 410, words[1])
		if b.state("ann@example.com").Topics[1].Choice != consent.Out {
			t.Error("a link that has run out turned an opt-out back")
		}
		now = now.Add(-2 * time.Hour)
		b.ask("POST", "/b/"+token, urlencoded, "undo=yes", "Accept-Language", lang).wants(t, 200, words[2])
	}
}

// TestUndoLinksAreOurs: a link of another page, or to no opt-out, is nothing.
func TestUndoLinksAreOurs(t *testing.T) {
	b := newBench(t)
	for _, token := range []string{b.optOutLink("ann@example.com"), b.link(consent.PurposeChoices, "ann@example.com", 0),
		b.link(consent.PurposeConfirm, "ann@example.com", 1), b.link(consent.PurposeUndo, "ann@example.com", 1), strings.Repeat("a", 50)} {
		b.ask("GET", "/b/"+token, "", "").wants(t, 404)
		b.ask("POST", "/b/"+token, urlencoded, "undo=yes").wants(t, 404)
	}
}

// TestUndoInABrowser presses the button, and looks at the page.
func TestUndoInABrowser(t *testing.T) {
	ctx := browser(t)
	b := newBench(t, func(o *web.Options) { o.PublicURL = "http://localhost" })
	token := b.forged("ann@example.com")
	wide := read(t, ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`),
		chromedp.Navigate(b.server.URL+"/b/"+token), chromedp.WaitVisible(chromedp.CSS("button")))
	if wide {
		t.Error("the page is wider than its window")
	}
	body := read(t, ctx, chromedp.Text(chromedp.CSS("main")), chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS("button")))
	if b.state("ann@example.com").Topics[1].Choice != consent.In || !contains(body, "as it was before") {
		t.Errorf("the state is %s; the page says %s", b.state("ann@example.com").Encode(), body)
	}
}

// TestContradictionsAreShown: a yes of theirs and a mail that proves nothing are
// both told; the button makes the no certain, and the contradiction is gone.
func TestContradictionsAreShown(t *testing.T) {
	b := newBench(t)
	undo := b.forged("ann@example.com")
	if page := b.ask("GET", "/p/"+b.link(consent.PurposeChoices, "ann@example.com", 1), "", ""); strings.Count(page.body, "Two wishes") != 1 || contains(page.body, "Events") {
		t.Errorf("a newsletter's link shows more than the contradiction about its list: %s", page.body)
	}
	path := "/p/" + b.fresh("ann@example.com")
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "Two wishes contradict each other", "by an earlier sign-up", "by email", "We follow the stricter", "Keep it stopped", "I want this")
	if strings.Count(page.body, "Two wishes") != 2 {
		t.Errorf("two topics are torn: %s", page.body)
	}
	b.ask("POST", path, urlencoded, "keep=topic:product").wants(t, 200, "Your choices are saved", "Now stopped: emails about “Product news”")
	b.ask("POST", path, urlencoded, "keep=topic:nosuch").wants(t, 400)
	if page := b.ask("GET", path, "", ""); strings.Count(page.body, "Two wishes") != 1 {
		t.Errorf("after one was chosen: %s", page.body)
	}
	b.ask("POST", "/b/"+undo, urlencoded, "undo=yes").wants(t, 200)
	if state := b.state("ann@example.com"); state.Topics[1].Choice != consent.Out || state.Topics[2].Choice != consent.In {
		t.Errorf("the undo brought back what was chosen since: %s", state.Encode())
	}
	if page := b.ask("GET", path, "", ""); strings.Contains(page.body, "Two wishes") {
		t.Errorf("after both were chosen: %s", page.body)
	}
}
