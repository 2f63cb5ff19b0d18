package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// happens lets an event of the plan happen.
func (w *simWorld) happens(e simEvent) {
	w.note("%v", e)
	switch e.what {
	case "crash", "restart":
		w.renew(e)
	case "stop":
		w.all()[e.whom].freeze(e.long)
	case "stop all":
		w.stopAll(e.long)
		w.skipped += e.long // nothing happened meanwhile
	case "clock":
		w.jump(e)
	case "flush":
		w.anyRedis(e).server.FlushAll()
	case "cut Redis":
		w.anyRedis(e).cut()
	case "Redis away":
		w.anyRedis(e).leave(e.long)
	case "Redis hangs":
		w.anyRedis(e).hang(e.long)
	case "relay away":
		w.relay.leave(e.long)
	case "cut relay":
		w.relay.cut()
	case "relay hangs":
		w.relay.hang(e.long)
	default:
		w.acting.Go(func() { w.act(e) })
	}
}

// stopAll stops all machines, also those that boot meanwhile.
func (w *simWorld) stopAll(d time.Duration) {
	w.mu.Lock()
	w.stopped, w.Slept = time.Now().Add(d), true
	w.mu.Unlock()
	for _, m := range w.all() {
		m.freeze(d)
	}
	time.Sleep(d)
}

func (w *simWorld) anyRedis(e simEvent) *simRedis { return w.all()[e.whom].redis }

// renew ends a machine, without warning or with, and boots another in its place.
func (w *simWorld) renew(e simEvent) {
	old := w.all()[e.whom]
	settled()
	if old.ctx.Err() != nil {
		return // another comes in its place already
	}
	if e.what == "crash" {
		old.crash()
	} else {
		old.kill()
	}
	w.acting.Go(func() {
		if e.what == "restart" {
			<-old.ended
		}
		w.wait(e.long)
		w.boot(e.whom)
	})
}

// jump sets a wall clock wrong, by less than makes a living worker look dead.
func (w *simWorld) jump(e simEvent) {
	m := w.all()[e.whom]
	w.mu.Lock()
	w.Jumped = true
	w.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead = time.Duration(e.id-1) * time.Second
}

// somebody gives a machine that serves; nil: none does for long.
func (w *simWorld) somebody(from int) *simMachine {
	for range 300 {
		all := w.all()
		for i := range all {
			if m := all[(from+i)%len(all)]; m.up() {
				return m
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// act is what a person does.
func (w *simWorld) act(e simEvent) {
	m := w.somebody(e.whom)
	if m == nil {
		return
	}
	ctx := context.Background()
	switch e.what {
	case "start":
		for try := 0; try < 5 && m != nil && w.start(ctx, m, e.id) != nil; try++ {
			time.Sleep(500 * time.Millisecond)
			m = w.somebody(e.whom + try)
		}
	case "leave":
		w.unsubscribe(m, e.whom, int(1+e.id%2))
	case "leave all":
		w.unsubscribe(m, e.whom, 0)
	case "pause":
		w.pause(ctx, m, e)
	case "cancel":
		w.cancel(ctx, m, e.id)
	case "erase":
		w.erase(ctx, m, e.whom)
	case "move":
		w.move(ctx, m, e.whom)
	case "resend":
		w.resend(ctx, m, e.id)
	}
}

func (w *simWorld) start(ctx context.Context, m *simMachine, id int64) error {
	err := m.store.Start(ctx, id)
	if err == nil {
		w.mu.Lock()
		w.Started[id] = true
		w.mu.Unlock()
	}
	return err
}

// answered tells whether an answer of a machine was heard; then it counts.
func (m *simMachine) answered() bool { return m.pass() == nil }

// unsubscribe opts somebody out by the link in a mail, as a mailbox provider does: once
// more where the answer was no 200. No topic: all marketing.
func (w *simWorld) unsubscribe(m *simMachine, who, topic int) {
	key, _, err := m.store.Key(simAddress(who))
	if err != nil {
		panic(err)
	}
	body := "List-Unsubscribe=One-Click"
	if topic == 0 {
		body += "&scope=all"
	}
	token := m.store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key, Scope: uint16(max(topic, 1))})
	for try := range 3 {
		request := httptest.NewRequest(http.MethodPost, simPublic+"/u/"+token, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		m.web.ServeHTTP(answer, request)
		if m.answered() && answer.Code == http.StatusOK {
			inFlight, _ := strconv.Atoi(answer.Header().Get("Heed-In-Flight"))
			w.acknowledged(storetest.Stop{What: fmt.Sprint("opt-out of p", who), Who: who, Topic: topic, InFlight: inFlight})
			return
		}
		w.note("an opt-out of p%d was answered with %d", who, answer.Code)
		time.Sleep(time.Second)
		if m = w.somebody(who + try); m == nil {
			return
		}
	}
}

func (w *simWorld) acknowledged(s storetest.Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.When = time.Since(w.began).String()
	w.noteLocked("acknowledged: %s of campaign %d, %d in flight", s.What, s.Campaign, s.InFlight)
	w.Acknowledged(s)
}

func (w *simWorld) pause(ctx context.Context, m *simMachine, e simEvent) {
	if n, err := m.store.Pause(ctx, e.id, ""); err == nil && m.answered() {
		w.acknowledged(storetest.Stop{What: "pause", Who: storetest.Everybody, Campaign: e.id, InFlight: n})
	}
	time.Sleep(e.long)
	if m = w.somebody(e.whom); m != nil {
		w.resume(ctx, m, e.id)
	}
}

// resume lifts the pause before it asks for it: from then on mail may go out.
func (w *simWorld) resume(ctx context.Context, m *simMachine, id int64) {
	w.mu.Lock()
	w.Lifted(id)
	w.mu.Unlock()
	_ = m.store.Resume(ctx, id) // it may be over
}

// resumeAll lets what was paused go on.
func (w *simWorld) resumeAll() {
	w.mu.Lock()
	rows := w.look(`SELECT id FROM campaign WHERE state = 'paused'`)
	w.mu.Unlock()
	for _, row := range rows {
		id, _ := strconv.ParseInt(row[0], 10, 64)
		if m := w.somebody(0); m != nil {
			w.resume(context.Background(), m, id)
		}
	}
}

func (w *simWorld) cancel(ctx context.Context, m *simMachine, id int64) {
	if n, err := m.store.Cancel(ctx, id); err == nil && m.answered() {
		w.acknowledged(storetest.Stop{What: "cancel", Who: storetest.Everybody, Campaign: id, InFlight: n})
	}
}

func (w *simWorld) erase(ctx context.Context, m *simMachine, who int) {
	id, err := m.store.OpenCase(ctx, store.Report{Kind: "erasure", Email: simAddress(who), Received: m.now()})
	if err != nil {
		return
	}
	w.mu.Lock()
	w.Erased = true
	w.mu.Unlock()
	c, err := m.store.Case(ctx, id)
	if err != nil {
		return
	}
	token, err := m.store.ConfirmLink(c)
	if err != nil {
		return
	}
	if link, err := m.store.Keys().Links.Open(token); err == nil {
		_, _ = m.store.Confirm(ctx, link) // a click that fails is a click that was not made
	}
}

// move changes an address, with the clicks of both mailboxes.
func (w *simWorld) move(ctx context.Context, m *simMachine, who int) {
	c, err := m.store.MoveContact(ctx, simAddress(who), "new-"+simAddress(who), 0, "kim")
	if err != nil {
		return
	}
	w.mu.Lock()
	w.Moved = true
	w.mu.Unlock()
	for _, key := range []consent.Key{c.Old, c.New} {
		if link, err := m.store.Keys().Links.Open(m.store.Half(c, key)); err == nil {
			_, _ = m.store.ConfirmMove(ctx, link) // as above
		}
	}
}

// resend tries the uncertain once more, because a person wants it.
func (w *simWorld) resend(ctx context.Context, m *simMachine, id int64) {
	w.mu.Lock()
	w.MayRepeat(id)
	w.mu.Unlock()
	_, _ = m.store.Resend(ctx, id, store.ResendUncertain) // it may not be the time
}
