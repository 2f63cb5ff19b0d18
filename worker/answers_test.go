package worker_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/templates"
	"heed/worker"
)

var mailNumber atomic.Int64

// mailed records a mail to the unsubscribe address.
func (b *bench) mailed(r consent.Request) {
	b.t.Helper()
	n := mailNumber.Add(1)
	_, err := b.store.RecordMail(context.Background(), store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: n, Digest: fmt.Sprint(n),
		MessageID: fmt.Sprintf("<%d@example.net>", n), Received: time.Now(), Request: r})
	if err != nil {
		b.t.Fatal(err)
	}
}

// letters carries the letters that are due until the server has n of them.
func (b *bench) letters(n int) []mailertest.Record {
	b.t.Helper()
	ctx := context.Background()
	for deadline := time.Now().Add(2 * time.Minute); b.sink.Count() < n && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		jobs, err := b.store.Carry(ctx, "privacy", 20)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, j := range jobs {
			b.enqueue(j)
		}
	}
	all := b.sink.Records()
	if len(all) != n {
		b.t.Fatalf("%d letters, want %d", len(all), n)
	}
	return all
}

func (b *bench) enqueue(j store.Job) {
	b.t.Helper()
	if _, err := b.tasks.Enqueue(asynq.NewTask(j.Kind, []byte(j.TaskID())), asynq.Queue(j.Queue), asynq.TaskID(j.TaskID())); err != nil {
		b.t.Fatal(err)
	}
}

// body decodes what a letter says.
func body(t *testing.T, r mailertest.Record) (textproto.MIMEHeader, string) {
	t.Helper()
	read := bufio.NewReader(bytes.NewReader(r.Data))
	h, err := textproto.NewReader(read).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	var text io.Reader = read
	if strings.EqualFold(h.Get("Content-Transfer-Encoding"), "quoted-printable") {
		text = quotedprintable.NewReader(read)
	}
	if h.Get("Content-Transfer-Encoding") == "base64" {
		text = base64.NewDecoder(base64.StdEncoding, read)
	}
	all, err := io.ReadAll(text)
	if err != nil {
		t.Fatal(err)
	}
	return h, strings.ReplaceAll(string(all), "\r\n", "\n")
}

// TestTheLetterKeepsToItsRules looks at a notice as it leaves (RFC 3834 §3): to
// the address on file alone, from nobody, short, plain text, marked, and without
// a word of the mail that it answers.
func TestTheLetterKeepsToItsRules(t *testing.T) {
	b := newBench(t, mailertest.Options{DSN: true})
	b.campaign(1)
	stop := b.start(nil)
	defer stop()
	b.mailed(consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: "p0@example.org", Language: "de",
		Evidence: []consent.Evidence{{Rule: "phrase-unsubscribe", Text: "canary words of the mail"}}})
	r := b.letters(1)[0]
	h, text := body(t, r)
	if r.From != "" || r.To != "p0@example.org" || r.Notify != "NEVER" || r.Size > 4096 {
		t.Errorf("envelope %q → %q, NOTIFY=%q, %d octets", r.From, r.To, r.Notify, r.Size)
	}
	answered := fmt.Sprintf("<%d@example.net>", mailNumber.Load())
	for name, want := range map[string]string{"Auto-Submitted": "auto-replied", "In-Reply-To": answered, "References": answered,
		"To": "p0@example.org", "Reply-To": "", "Cc": "", "List-Unsubscribe": "", "Precedence": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || bytes.Contains(r.Data, []byte("canary")) {
		t.Errorf("type %s, or words of the mail in\n%s", h.Get("Content-Type"), r.Data)
	}
	if l, _, found := b.store.Keys().Links.FindToken(h.Get("Heed-Loop")); !found || l.Purpose != consent.PurposeLetter {
		t.Errorf("Heed-Loop is %q", h.Get("Heed-Loop"))
	}
	for _, want := range []string{"Guten Tag", "alle Newsletter und Angebote", "UTC", "https://news.example.com/b/", "https://news.example.com/p/"} {
		if !strings.Contains(text, want) {
			t.Errorf("the letter lacks %q:\n%s", want, text)
		}
	}
}

// TestEachLetterSaysWhatItMust sends one of each kind.
func TestEachLetterSaysWhatItMust(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	b.campaign(8)
	stop := b.start(nil)
	defer stop()
	for i, tt := range []struct {
		r    consent.Request
		want []string
	}{
		{consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.TopicScope(1), From: "p0@example.org", Authenticated: true},
			[]string{"you asked us to stop this", "- emails about “Product news”", "It took effect on", "A message that left us before then", "you can take it back"}},
		{consent.Request{Kind: consent.KindComplaint, From: "p1@example.org"}, []string{"You have a complaint.", "answers by", "H-1", "no newsletters", "See where your request stands:\n\nhttps://news.example.com/q/"}},
		{consent.Request{Kind: consent.KindErasure, From: "p2@example.org", Also: []consent.Kind{consent.KindUnsubscribe}, Scope: consent.ScopeMarketing},
			[]string{"https://news.example.com/c/", "answered by", "we also stopped this", "https://news.example.com/b/", "H-2", "https://news.example.com/q/"}},
		{consent.Request{Kind: consent.KindUnsubscribe, From: "stranger@example.org", Authenticated: true},
			[]string{"We found nothing under it", "forward one of these messages"}},
		{consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeSharing, From: "p3@example.org", Authenticated: true, Language: "fr"},
			[]string{"Bonjour", "la transmission de vos données", "Product news"}},
		{consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.TopicScope(1), From: "p4@example.org", Authenticated: true, Language: "ru"},
			[]string{"Здравствуйте!", "- письма на тему «Product news»", "ещё может прийти", "https://news.example.com/b/"}},
		{consent.Request{Kind: consent.KindErasure, From: "p5@example.org", Language: "uk"}, []string{"Добрий день!", "https://news.example.com/c/", "Номер звернення: H-3"}},
		{consent.Request{Kind: consent.KindComplaint, From: "p6@example.org", Language: "tr"}, []string{"Merhaba,", "Bir şikâyetiniz var.", "H-4"}},
		{consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: "p7@example.org", Authenticated: true, Language: "ar"},
			[]string{"تحية طيبة،", "- جميع النشرات والعروض", "https://news.example.com/p/"}},
	} {
		b.mailed(tt.r)
		r := b.letters(i + 1)[i]
		h, text := body(t, r)
		if r.To != tt.r.From || r.Size > 4096 {
			t.Errorf("%s: to %s, %d octets", h.Get("Subject"), r.To, r.Size)
		}
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("the letter to %s lacks %q:\n%s", r.To, want, text)
			}
		}
		if request := tt.r.Kind != consent.KindUnsubscribe; request != strings.Contains(text, "/q/") {
			t.Errorf("the letter to %s is about a request: %v, and says\n%s", r.To, request, text)
		}
	}
	report, err := b.store.Verify(context.Background())
	if err != nil || len(report["I12"].Broken) > 0 || report["I12"].Checked != 18 {
		t.Errorf("I12: %+v, %v", report["I12"], err)
	}
}

// TestTimesAreThePersons: where their place is known, the clock there is told.
func TestTimesAreThePersons(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	if _, err := b.store.Import(context.Background(), []store.Contact{{Email: "a@example.org", TimeZone: "Asia/Tokyo", Language: "es", Topics: []string{"product"},
		ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"}}, "", false); err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	defer stop()
	b.mailed(consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: "a@example.org", Authenticated: true, Language: "ja"})
	if _, text := body(t, b.letters(1)[0]); !strings.Contains(text, "(Asia/Tokyo)") || !strings.Contains(text, "Hola") {
		t.Errorf("the letter says\n%s", text)
	}
}

// TestLettersInEachLanguage: a mail is answered in the language that it was written in, in all that there are.
func TestLettersInEachLanguage(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	languages := templates.Languages()
	b.campaign(len(languages))
	stop := b.start(nil)
	defer stop()
	for i, lang := range languages {
		b.mailed(consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: fmt.Sprintf("p%d@example.org", i), Authenticated: true, Language: lang})
		h, text := body(t, b.letters(i + 1)[i])
		want, all := templates.OptOutAnswer(templates.OptOutData{Language: lang, Stopped: templates.Stops{All: true}})
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		hello, _, _ := strings.Cut(all, "\n")
		if err != nil || subject != want || !strings.HasPrefix(text, hello+"\n") || lang != "en" && strings.Contains(text, "all newsletters") {
			t.Errorf("%s: the subject is %q, want %q (%v), the letter says\n%s", lang, subject, want, err, text)
		}
	}
}

// TestTheHoursLettersAreCounted: beyond the cap letters wait, and none is lost.
func TestTheHoursLettersAreCounted(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	const over = 3
	var late atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	b.store = storetest.OpenWith(t, func(o *store.Options) { o.Now = now })
	b.campaign(store.LettersAnHour + over)
	stop := b.start(func(o *worker.Options) { o.Now = now })
	defer stop()
	for i := range store.LettersAnHour + over {
		b.mailed(consent.Request{Kind: consent.KindUnsubscribe, Scope: consent.ScopeMarketing, From: fmt.Sprintf("p%d@example.org", i)})
	}
	b.letters(store.LettersAnHour)
	for range 3 { // those that came too early were given back, and come again with their turn
		jobs, err := b.store.Carry(context.Background(), "privacy", 20)
		if err != nil || b.sink.Count() != store.LettersAnHour {
			t.Fatalf("%d letters within the hour, %v", b.sink.Count(), err)
		}
		for _, j := range jobs {
			b.enqueue(j)
		}
	}
	late.Store(int64(time.Hour + time.Minute))
	b.letters(store.LettersAnHour + over)
}

// TestALinkThatAnybodyAskedFor goes to whoever is on file. For everybody else a
// letter waits as well, so that nobody learns who is, and is dropped when its turn
// comes.
func TestALinkThatAnybodyAskedFor(t *testing.T) {
	b := newBench(t, mailertest.Options{})
	ctx := context.Background()
	nobody := b.key("nobody@example.com")
	_, err := b.store.Import(ctx, []store.Contact{{Row: 2, Email: "ann@example.com"}}, "", false)
	for _, key := range []consent.Key{nobody, b.key("ann@example.com")} {
		if err == nil {
			_, err = b.store.MailLink(ctx, key, "", "en")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(nil)
	defer stop()
	if got := b.letters(1); got[0].To != "ann@example.com" {
		t.Errorf("the link went to %v", got[0].To)
	}
	b.holds("what nobody gets is dropped", func() bool {
		all, err := b.store.Letters(ctx, nobody)
		return err == nil && len(all) == 1 && all[0].State == "dropped"
	})
}
