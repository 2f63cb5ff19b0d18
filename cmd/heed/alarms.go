package main

import (
	"errors"
	"time"

	"heed/store"
	"heed/templates"
	"heed/worker"
)

type alarmCommand struct {
	List alarmListCommand `cmd:"" help:"List the alarms that are open, and what to do."`
	Test alarmTestCommand `cmd:"" help:"Send one alarm by every way at once, and tell which arrived."`
}

type alarmListCommand struct {
	All bool `help:"Those that are over too."`
	output
}

// Help shows an example.
func (alarmListCommand) Help() string {
	return "docs/runbook.md explains each kind.\n\nExample: heed alarm list --json"
}

// alarmView is an alarm as it is printed.
type alarmView struct {
	ID     string      `json:"id"`
	Kind   string      `json:"kind"`
	About  string      `json:"about"`
	Raised time.Time   `json:"raised"`
	Over   *time.Time  `json:"over,omitempty"`
	Told   []heardView `json:"told"`
	Means  string      `json:"means"`
	Do     string      `json:"do"`
}

type heardView struct {
	Way  string    `json:"way"`
	Says string    `json:"says"`
	At   time.Time `json:"at"`
}

func viewAlarm(one store.Alarm) alarmView {
	words := templates.WordsForAlarm(one.Kind)
	v := alarmView{ID: decimal(one.ID), Kind: one.Kind, About: one.Key, Raised: one.Raised, Over: orNil(one.Cleared), Told: []heardView{},
		Means: words.Means, Do: words.Do}
	for _, h := range one.Told {
		v.Told = append(v.Told, heardView{h.Way, h.Says, h.At})
	}
	return v
}

// Run lists the alarms, one a line.
func (c *alarmListCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	all, err := s.Alarms(a.ctx, !c.All)
	if err != nil {
		return err
	}
	for _, one := range all {
		v := viewAlarm(one)
		if err := a.show(v, func() { a.sayAlarm(v) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) sayAlarm(v alarmView) {
	state := "since " + minute(v.Raised)
	if v.Over != nil {
		state += ", over since " + minute(*v.Over)
	}
	a.say("%4s  %s, %s, %s", v.ID, v.Kind, v.About, state)
	if v.Over == nil {
		a.say("      %s", v.Means)
		a.say("      what to do: %s", v.Do)
	}
}

type alarmTestCommand struct{ output }

// Help tells the exit code and shows an example.
func (alarmTestCommand) Help() string {
	return "Uses the ways of [alarm] in the configuration, without heed serve. Exit code 1 where one did not arrive, or where there is none.\n\nExample: heed alarm test"
}

// triedView is what became of one way.
type triedView struct {
	Way     string `json:"way"`
	Arrived bool   `json:"arrived"`
	Error   string `json:"error,omitempty"`
}

// Run tries every way.
func (c *alarmTestCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	alarms, err := conf.alarms(conf.linkBase())
	if err != nil {
		return err
	}
	ways := alarms.Ways()
	if len(ways) == 0 {
		return hinted(errors.New("no way is set up by which alarms could go"), "add [alarm] with webhook and secret_file, or with mail and smtp_url; heed config example shows every key")
	}
	failed := false
	for _, way := range ways {
		v := a.tryAlarm(alarms, way)
		failed = failed || !v.Arrived
		if err := a.show(v, func() { a.sayTried(v) }); err != nil {
			return err
		}
	}
	if failed {
		return hinted(errors.New("an alarm did not arrive"), "docs/runbook.md tells how alarms are set up")
	}
	return nil
}

func (a *app) tryAlarm(alarms worker.Alarms, way string) triedView {
	now := time.Now()
	v := triedView{Way: way, Arrived: true}
	if err := alarms.Tell(a.ctx, way, store.Alarm{ID: now.Unix(), Kind: store.AlarmTest, Key: "heed alarm test", Raised: now}, now); err != nil {
		v.Arrived, v.Error = false, err.Error()
	}
	return v
}

func (a *app) sayTried(v triedView) {
	if v.Arrived {
		a.say("%-8s arrived", v.Way)
		return
	}
	a.say("%-8s did not arrive: %s", v.Way, v.Error)
}
