package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

// A canary is a word that stands for a person: in addresses, names and the texts
// of mails. Wherever it is found later, something about a person has leaked.
const (
	canary       = "kanarie" // stands in the name of everybody in this test
	canaryErased = "kanarie.vergiss"
	canaryBox    = "%s@%svogel.example"
)

func canaryAddress(name string) string { return fmt.Sprintf(canaryBox, name, canary) }

// The people of this test, by what happens to them.
var (
	canaryRefused = canaryAddress("refused") // the relay says no and repeats the address
	canaryLater   = canaryAddress("later")   // the relay says later and repeats it
	canaryEnd     = canaryAddress("end")     // refused after the text, which is repeated
	canaryClick   = canaryAddress("click")
	canaryWrite   = canaryAddress("write")
	canaryBounce  = canaryAddress("bounce")
	canaryForget  = canaryAddress(canaryErased)
)

// TestE2ECanary: what is known about people stays out of logs, figures and Redis,
// and after an erasure out of the data folder.
func TestE2ECanary(t *testing.T) {
	ctx := t.Context()
	aviary := openAviary(t)
	s := beginOn(t, scenario{connections: 2, keep: mailertest.KeepAll}, setUp{redis: true}, func(st *stage) {
		st.env = append(st.env, "SMTP_URL="+aviary.sink.URL())
		aviary.listenTo(t, st.env)
	})
	aviary.story = s
	s.heed.ends(t, exitDone, "contact", "import", s.heed.put(t, "people.csv", canaryCSV()))
	aviary.refuses.Store(canaryRefused, 100)
	aviary.refuses.Store(canaryLater, 1)
	id := s.starts(ctx, t, strings.Replace(newsFile(s.site.url, 0), "# A quieter way", "Dear {{ email }} of {{ attr.bird }}\n\n# A quieter way", 1))
	s.heed.ends(t, exitDone, "campaign", "wait", id, "--timeout", "60s")
	if a, err := ask[account](ctx, s.heed, "campaign", "status", id); err != nil || a.Rejected != 2 || a.Accepted != a.Audience-2 {
		t.Errorf("the relay refused two, and heed has %+v, %v", a, err)
	}
	if !s.inFiles(t, canaryErased) {
		t.Fatal("the data folder does not hold the address before the erasure: nothing would be shown afterwards")
	}
	aviary.acts(ctx)
	s.heed.ends(t, exitDone, "contact", "export")
	s.heed.ends(t, exitDone, "verify")
	if page, err := readPage(ctx, s.web+"/metrics"); err != nil || leaks(page) || !strings.Contains(page, "heed_deliveries_total{") {
		t.Errorf("the figures hold the canary, or could not be read: %v", err)
	}
	if s.inFiles(t, canaryErased) {
		t.Error("after the erasure the address is still in the data folder")
	}
	if err := s.children["serve"].stop(30 * time.Second); err != nil {
		t.Error(err)
	}
	if s.inFiles(t, canaryErased) {
		t.Error("after the erasure and a stop the address is still in the data folder")
	}
	s.logsHoldNo(t)
	aviary.redisHoldsNo(t)
}

func canaryCSV() string {
	text := "email,first_name,last_name,company,topics,services,consent_at,consent_source,consent_text,external_id,attr.bird\n"
	for _, who := range []string{canaryRefused, canaryLater, canaryEnd, canaryClick, canaryWrite, canaryBounce, canaryForget} {
		name, _, _ := strings.Cut(who, "@")
		text += strings.ToUpper(name[:1]) + name[1:] + "@KanarieVogel.example," + strings.ToUpper(canary) + " " + name + ",Kanarie,Kanarie & Co," + topicNews + "," + serviceName +
			",2026-01-02,kanarie form,I am Kanarie and want it," + name + "-kanarie,kanarie " + name + "\n"
	}
	return text
}

// aviary is the world around heed in this test: a relay that repeats what it is
// told, and an ear at Redis.
type aviary struct {
	t       *testing.T
	sink    *mailertest.Sink
	story   *story
	refuses sync.Map // address → how often

	mu    sync.Mutex
	heard bytes.Buffer // all that was said to Redis
}

func openAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{t: t}
	sink, err := mailertest.Start(mailertest.Options{OnRcpt: a.judge, OnEnd: a.judgeText})
	if err != nil {
		t.Fatal(err)
	}
	a.sink = sink
	t.Cleanup(sink.Close)
	return a
}

// judge repeats the recipient in its refusals, as most servers do.
func (a *aviary) judge(_, to string) mailertest.Reply {
	left, _ := a.refuses.Load(to)
	switch n, _ := left.(int); {
	case n > 1:
		return mailertest.Reply{Code: 550, Enhanced: "5.1.1", Text: "<" + to + ">: Recipient address rejected: no such user " + to}
	case n == 1:
		a.refuses.Store(to, 0)
		return mailertest.Reply{Code: 451, Enhanced: "4.2.2", Text: "<" + to + "> is over quota, dear " + to}
	}
	return mailertest.Reply{}
}

func (a *aviary) judgeText(m mailertest.Record) mailertest.Reply {
	if m.To == canaryEnd {
		return mailertest.Reply{Code: 554, Enhanced: "5.7.1", Text: "spam for " + m.To + ": " + m.Header().Get("Subject")}
	}
	return mailertest.Reply{}
}

// listenTo hears every command that anybody gives to Redis.
func (a *aviary) listenTo(t *testing.T, env []string) {
	t.Helper()
	address := ""
	for _, pair := range env {
		if url, is := strings.CutPrefix(pair, "REDIS_URL=redis://"); is {
			address = strings.TrimSuffix(url, "/0")
		}
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewReader(conn)
		for {
			line, err := lines.ReadBytes('\n')
			a.mu.Lock()
			a.heard.Write(line)
			a.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
}

// mailTo waits for the last message to somebody whose subject holds a text.
func (a *aviary) mailTo(ctx context.Context, who string, is func(mailertest.Record) bool) (found mailertest.Record) {
	a.t.Helper()
	err := eventually(ctx, 30*time.Second, "a message to "+who, func() (bool, error) {
		for _, m := range a.sink.Records() {
			if strings.EqualFold(m.To, who) && is(m) {
				found = m
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return found
}

func isNews(m mailertest.Record) bool { return kindOf(m) == kindNews }

// acts lets people do what people do, with the canary in all of it.
func (a *aviary) acts(ctx context.Context) {
	a.t.Helper()
	link, _ := oneClick(a.mailTo(ctx, canaryClick, isNews).Header())
	if _, err := optOut(ctx, link, canaryClick); err != nil {
		a.t.Error(err)
	}
	got := a.mailTo(ctx, canaryWrite, isNews)
	quoted := "\n\nKanarie Vogel <" + got.To + "> wrote:\n> " + strings.ReplaceAll(readable(got.Header().Get("Content-Type"), "", bytes.NewReader(got.Data)), "\n", "\n> ")
	a.sends(ctx, plainLetter(strings.ToUpper(got.To), "unsubscribe@"+domain, "Kanarie says stop", "Please unsubscribe me, Kanarie."+quoted))
	a.sends(ctx, bounceLetter(a.mailTo(ctx, canaryBounce, isNews)))
	a.sends(ctx, plainLetter(canaryLater, "unsubscribe@"+domain, "Kanarie", "I, Kanarie, have a question about your birds. Would you call me?"))
	a.sends(ctx, letter{from: "\"Kanarie\" <" + canary + "@", to: "unsubscribe@" + domain, envelope: "<kanarie>", subject: "kanarie", fields: []string{"Content-Type: kanarie/kanarie; =kanarie"}, text: "Kanarie"})
	a.curious(ctx)
	a.programs()
	a.forgets(ctx)
	a.story.heed.ends(a.t, exitDone, "alert", "send", a.story.heed.put(a.t, "alert.md", alertFile()), "--key", "canary")
	a.mailTo(ctx, canaryClick, func(m mailertest.Record) bool { return kindOf(m) == kindAlert })
}

func (a *aviary) sends(ctx context.Context, l letter) {
	a.t.Helper()
	if _, _, err := a.story.mail(ctx, l); err != nil {
		a.t.Error(err)
	}
}

// forgets lets somebody ask to be erased, and confirm it.
func (a *aviary) forgets(ctx context.Context) {
	a.t.Helper()
	a.sends(ctx, plainLetter(canaryForget, "privacy@"+domain, "Kanarie: my data", "Please delete all data that you hold about me.\n\nKanarie Vergiss, "+canaryForget))
	asked := a.mailTo(ctx, canaryForget, func(m mailertest.Record) bool { return kindOf(m) == kindOther })
	if err := a.story.confirm(ctx, a.story.confirmLink(asked.Data)); err != nil {
		a.t.Error(err)
	}
	if err := a.story.becomes(ctx, canaryForget, "erased", func(e explained) bool { return e.State.Erased }); err != nil {
		a.t.Error(err)
	}
}

// curious asks for pages that are none, with the canary in all that is sent.
func (a *aviary) curious(ctx context.Context) {
	for _, path := range []string{"/u/" + canary, "/" + canary + "?email=" + canaryClick, "/u/?x=" + canaryClick, "/metrics?" + canaryClick} {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, a.story.web+path, strings.NewReader("email="+canaryClick))
		if err != nil {
			a.t.Error(err)
			continue
		}
		q.Header.Set("User-Agent", canary)
		q.Header.Set("Referer", "https://"+canary+".example/")
		q.Header.Set("X-Forwarded-For", canary)
		if _, err := readToEnd(http.DefaultClient.Do(q)); err != nil {
			a.t.Error(err)
		}
	}
}

// leaks tells whether a text holds the canary, also where it is encoded.
func leaks(text string) bool {
	low := strings.ToLower(text)
	for _, form := range []string{canary, strings.ToUpper(canary[:1]) + canary[1:]} {
		if strings.Contains(low, strings.ToLower(form)) || strings.Contains(low, hex.EncodeToString([]byte(form))) {
			return true
		}
		for shift := range 3 {
			code := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + form))
			if strings.Contains(text, code[(8*shift+5)/6:len(code)-1]) {
				return true
			}
		}
	}
	return false
}

// TestCanaryIsFound: the search finds what it is meant to find.
func TestCanaryIsFound(t *testing.T) {
	who := canaryAddress("Kanarie.Find")
	for shift := range 3 {
		code := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", shift) + who + " and more"))
		if !leaks(`"a":"` + code + `"`) {
			t.Errorf("missed in base64, shifted by %d", shift)
		}
	}
	for _, text := range []string{who, strings.ToUpper(who), "at=" + hex.EncodeToString([]byte(who))} {
		if !leaks("x " + text) {
			t.Errorf("missed %q", text)
		}
	}
	if leaks(base64.StdEncoding.EncodeToString([]byte("nobody")) + " nobody@home.example") {
		t.Error("found where it is not")
	}
}

// logsHoldNo fails where a log of the processes holds the canary.
func (s *story) logsHoldNo(t *testing.T) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.folder, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(`"msg":`)) {
			t.Errorf("%s says nothing: %v", file, err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if leaks(line) {
				t.Errorf("a log line holds the canary: %s", line)
			}
		}
	}
}

// redisHoldsNo fails where Redis was ever told the canary.
func (a *aviary) redisHoldsNo(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	heard := a.heard.String()
	if !strings.Contains(heard, "asynq:{newsletter}") || !strings.Contains(heard, "asynq:{privacy}") {
		t.Errorf("nothing was heard of what Redis was told: %.300q", heard)
	}
	for _, line := range strings.Split(heard, "\n") {
		if leaks(line) {
			t.Errorf("Redis was told the canary: %.500s", line)
		}
	}
}

// inFiles tells whether a file of the data folder holds a word.
func (s *story) inFiles(t *testing.T, word string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.folder, "data"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a file of a moment
		}
		if bytes.Contains(bytes.ToLower(text), []byte(word)) {
			t.Logf("%q stands in %s", word, path)
			found = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// programs lets a product say everything that it can about people, right and
// wrong, with the canary in all of it.
func (a *aviary) programs() {
	a.t.Helper()
	made, err := ask[struct{ Token string }](a.t.Context(), a.story.heed, "token", "create", "a product", "--scope", "admin")
	if err != nil {
		a.t.Fatal(err)
	}
	p := benchProgram{a.story.web, made.Token}
	who := canaryAddress("program")
	p.call(a.t, "PUT", "/v1/contacts/user-1", `{"email":"`+who+`","first_name":"Kanarie","attrs":{"bird":"kanarie"},"services":["`+serviceName+`"]}`, 201)
	p.call(a.t, "PUT", "/v1/contacts/user-1", `{"email":"`+canaryAddress("click")+`"}`, 409)
	p.call(a.t, "PUT", "/v1/contacts/user-1", `{"email":"`+who+`","kanarie":"`+who+`"}`, 422)
	p.call(a.t, "PUT", "/v1/contacts/user-2", `{"email":"`+who+`@`+who+`"}`, 422)
	p.call(a.t, "PUT", "/v1/contacts/"+who, `{"email":"`+who+`"}`, 422)
	p.call(a.t, "POST", "/v1/contacts/user-1/events", `{"type":"address_changed","email":"`+canaryAddress("moved")+`"}`, 202)
	p.call(a.t, "PUT", "/v1/contacts/user-1/preferences", `{"topics":{"`+topicNews+`":"in"}}`, 202)
	p.call(a.t, "PUT", "/v1/contacts/user-1/preferences", `{"marketing":"out"}`, 200)
	p.call(a.t, "POST", "/v1/alerts", `{"key":"canary-api","service":"`+serviceName+`","subject":"Dear {{ first_name }}","text":"For {{ email }}.","to":"user-1"}`, 202)
	p.call(a.t, "POST", "/v1/alerts", `{"key":"`+who+`","service":"`+serviceName+`","subject":"x","text":"x"}`, 422)
	p.call(a.t, "POST", "/v1/cases", `{"kind":"complaint","email":"`+who+`","note":"Kanarie complains"}`, 201)
	p.call(a.t, "POST", "/v1/suppressions", `{"suppressions":[{"email":"`+canaryAddress("listed")+`"},{"email":"kanarie"}]}`, 200)
	a.mailTo(a.t.Context(), who, func(m mailertest.Record) bool { return strings.Contains(m.Header().Get("Subject"), "Dear") })
}
