package worker_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"heed/mailer"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/store/storetest"
	"heed/worker"
)

var webhookSecret = []byte("0123456789abcdef0123456789abcdef")

// receiver is a server that is told of alarms, checks what it gets, and
// answers what it is told to.
type receiver struct {
	*httptest.Server
	t      *testing.T
	answer atomic.Int64

	mu    sync.Mutex
	types []string
	ids   []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t}
	r.answer.Store(http.StatusNoContent)
	r.Server = httptest.NewServer(http.HandlerFunc(r.hear))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) hear(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	mac := hmac.New(sha256.New, webhookSecret)
	mac.Write([]byte(req.Header.Get("webhook-id") + "." + req.Header.Get("webhook-timestamp") + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("webhook-signature") != want {
		r.t.Errorf("signature %q, want %q", req.Header.Get("webhook-signature"), want)
	}
	var said struct {
		Type string
		Data struct{ Kind, About, Do string }
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Data.About != "case 7" || said.Data.Do == "" {
		r.t.Errorf("the webhook got %s", body)
	}
	r.mu.Lock()
	r.types = append(r.types, said.Type)
	r.ids = append(r.ids, req.Header.Get("webhook-id"))
	r.mu.Unlock()
	if code := int(r.answer.Load()); code == http.StatusFound {
		http.Redirect(w, req, "/elsewhere", code)
	} else {
		w.WriteHeader(code)
	}
}

func (r *receiver) heard() (types, ids string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.types, " "), strings.Join(r.ids, " ")
}

func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("whsec_"+base64.StdEncoding.EncodeToString(webhookSecret)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAlarmsArrive: an alarm goes out by both ways, a way that fails is tried
// until it has heard and holds up no other; it is told again after a day, and
// told once when it is over.
func TestAlarmsArrive(t *testing.T) {
	var passed atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	hook := newReceiver(t)
	hook.answer.Store(http.StatusServiceUnavailable)
	b := newBench(t, mailertest.Options{})
	b.store = storetest.OpenWith(t, func(o *store.Options) { o.Now = now })
	relay, err := mailer.ParseRelay("smtp://" + b.sink.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	stop := b.start(func(o *worker.Options) {
		o.Now, o.Log = now, slog.New(slog.NewTextHandler(&log, nil))
		o.Alarms = worker.Alarms{Webhook: worker.Webhook{URL: hook.URL, SecretFile: secretFile(t)}, Mail: "ops@example.net", Relay: &relay,
			Sender: o.Sender, Where: "https://news.example.com"}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	must(b.store.RaiseAlarm(ctx, store.AlarmCaseOverdue, "case 7"))
	must(b.store.RaiseAlarm(ctx, store.AlarmCaseOverdue, "case 7")) // is open already
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			b.carryAlarms(ctx)
			if ok() {
				return
			}
		}
		types, _ := hook.heard()
		t.Fatalf("waited in vain for %s: the webhook heard %q, the relay %d mails", what, types, b.sink.Count())
	}
	until("the mail and a first try of the webhook", func() bool { types, _ := hook.heard(); return b.sink.Count() == 1 && types == "alarm.raised" })
	hook.answer.Store(http.StatusNoContent)
	passed.Add(int64(time.Minute))
	until("the second try", func() bool { types, _ := hook.heard(); return types == "alarm.raised alarm.raised" })
	until("a note that both ways were told", func() bool { // before the clock moves on
		one, err := b.store.Alarm(ctx, 1)
		must(err)
		return !one.Heard("webhook", "raised").IsZero() && !one.Heard("mail", "raised").IsZero()
	})
	if _, ids := hook.heard(); ids != "alarm-1-raised-0 alarm-1-raised-0" {
		t.Errorf("a second try has another id: %s", ids)
	}
	passed.Add(int64(20 * time.Hour))
	if n, err := b.store.RepeatAlarms(ctx); err != nil || n != 0 {
		t.Errorf("before a day is over: %d repeated, %v", n, err)
	}
	passed.Add(int64(5 * time.Hour))
	if n, err := b.store.RepeatAlarms(ctx); err != nil || n != 1 {
		t.Errorf("after a day: %d repeated, %v", n, err)
	}
	until("the second day", func() bool {
		_, ids := hook.heard()
		return strings.HasSuffix(ids, " alarm-1-raised-1") && b.sink.Count() == 2
	})
	must(b.store.ClearAlarm(ctx, store.AlarmCaseOverdue, "case 7"))
	until("the end", func() bool {
		types, _ := hook.heard()
		return strings.HasSuffix(types, " alarm.over") && b.sink.Count() == 3
	})
	stop()
	last := string(b.sink.Records()[2].Data)
	if !strings.Contains(last, "Subject: heed alarm over: case_overdue (case 7)") || !strings.Contains(last, "Auto-Submitted: auto-generated") {
		t.Errorf("the last mail is\n%s", last)
	}
	all, err := b.store.Alarms(ctx, false)
	must(err)
	if len(all) != 1 || len(all[0].Told) != 4 || all[0].Cleared.IsZero() {
		t.Errorf("alarms %+v", all)
	}
	if !strings.Contains(log.String(), "alarm_untold") {
		t.Error("a way that failed is not in the log")
	}
}

func (b *bench) carryAlarms(ctx context.Context) {
	jobs, err := b.store.Carry(ctx, "alert", 20)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range jobs {
		if _, err := b.tasks.Enqueue(asynq.NewTask(j.Kind, []byte(j.TaskID())), asynq.Queue(j.Queue), asynq.TaskID(j.TaskID())); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestWebhookGoesNowhereElse: no redirect is followed, no error shows the
// address, and a secret that cannot be used is told.
func TestWebhookGoesNowhereElse(t *testing.T) {
	hook := newReceiver(t)
	hook.answer.Store(http.StatusFound)
	one := store.Alarm{ID: 1, Kind: store.AlarmTest, Key: "case 7", Raised: time.Now()}
	tell := func(h worker.Webhook) error {
		return worker.Alarms{Webhook: h}.Tell(context.Background(), "webhook", one, time.Now())
	}
	if err := tell(worker.Webhook{URL: hook.URL, SecretFile: secretFile(t)}); err == nil || !strings.Contains(err.Error(), "answered 302") {
		t.Errorf("a redirect: %v", err)
	}
	if types, _ := hook.heard(); types != "alarm.raised" {
		t.Errorf("the webhook heard %q", types)
	}
	err := tell(worker.Webhook{URL: "http://127.0.0.1:1/token-in-the-path", SecretFile: secretFile(t)})
	if err == nil || strings.Contains(err.Error(), "token-in-the-path") {
		t.Errorf("a webhook that is away: %v", err)
	}
	for _, text := range []string{"short", "whsec_!!!", ""} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tell(worker.Webhook{URL: hook.URL, SecretFile: path}); err == nil || !strings.Contains(err.Error(), "secret") {
			t.Errorf("secret %q: %v", text, err)
		}
	}
	for text, fine := range map[string]bool{"https://a.example/x?y=z": true, "http://127.0.0.1:9/x": true, "http://localhost": true,
		"http://a.example": false, "ftp://a.example": false, "https://": false, "https://a.example/#x": false, "http://10.0.0.1": false} {
		if err := worker.CheckWebhookURL(text); (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
}
