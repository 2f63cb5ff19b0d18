package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine without zones must not count days wrongly

	"heed/consent"
)

// lawConfig says by whose law the clocks of cases run.
type lawConfig struct {
	Profile           string   `toml:"profile" json:"profile"`
	TimeZone          string   `toml:"time_zone" json:"time_zone"`
	Authority         string   `toml:"authority" json:"authority"`
	ErasureDays       *int     `toml:"erasure_days" json:"erasure_days,omitempty"`
	AccessDays        *int     `toml:"access_days" json:"access_days,omitempty"`
	RectificationDays *int     `toml:"rectification_days" json:"rectification_days,omitempty"`
	ObjectionDays     *int     `toml:"objection_days" json:"objection_days,omitempty"`
	FirstAnswer       *int     `toml:"first_answer_working_days" json:"first_answer_working_days,omitempty"`
	Holidays          []string `toml:"holidays" json:"holidays"`
}

// own are the operator's own numbers of days, by the kind of the case.
func (l lawConfig) own() map[consent.CaseKind]*int {
	return map[consent.CaseKind]*int{consent.CaseErasure: l.ErasureDays, consent.CaseAccess: l.AccessDays,
		consent.CaseRectification: l.RectificationDays, consent.CaseObjection: l.ObjectionDays}
}

// law is the configuration as the rules use it. It was checked.
func (l lawConfig) law() consent.Law {
	law := consent.Law{Profile: l.Profile, Days: map[consent.CaseKind]int{}, Holidays: l.Holidays}
	law.Zone, _ = time.LoadLocation(l.TimeZone) // empty: UTC
	for kind, days := range l.own() {
		if days != nil {
			law.Days[kind] = *days
		}
	}
	if l.FirstAnswer != nil {
		law.First = *l.FirstAnswer
	}
	return law
}

func (l lawConfig) check() (problems []error) {
	if l.Profile != "" && !slices.Contains(consent.Profiles(), l.Profile) {
		problems = append(problems, errors.New(meant("law.profile: there is no profile %q; profiles are "+strings.Join(consent.Profiles(), ", "), l.Profile, consent.Profiles())))
	}
	if _, err := time.LoadLocation(l.TimeZone); err != nil || strings.EqualFold(l.TimeZone, "local") {
		problems = append(problems, fmt.Errorf("law.time_zone: %q is no time zone; write one like Europe/Berlin or America/New_York", l.TimeZone))
	}
	most := consent.Law{Profile: l.Profile}.Shortest()
	for kind, days := range l.own() {
		if days != nil && (*days < 1 || *days > most) {
			problems = append(problems, fmt.Errorf("law.%s_days is %d, but must be from 1 to %d: the law of this profile gives no more", kind, *days, most))
		}
	}
	if l.FirstAnswer != nil && (*l.FirstAnswer < 1 || *l.FirstAnswer > 20) {
		problems = append(problems, fmt.Errorf("law.first_answer_working_days is %d, but must be from 1 to 20", *l.FirstAnswer))
	}
	return append(problems, l.checkHolidays()...)
}

func (l lawConfig) checkHolidays() (problems []error) {
	if len(l.Holidays) > 200 {
		problems = append(problems, errors.New("law.holidays: names more than 200 days"))
	}
	for _, day := range l.Holidays {
		_, full := time.Parse(time.DateOnly, day)
		_, yearly := time.Parse("2006-01-02", "2028-"+day) // a leap year has every date
		if full != nil && yearly != nil {
			problems = append(problems, fmt.Errorf(`law.holidays: %q is no day; write "2026-04-06", or "12-25" for every year`, day))
		}
	}
	return problems
}

// meant writes what is wrong with a word, and what was likely meant.
func meant(format, word string, known []string) string {
	text := fmt.Sprintf(format, word)
	if near := nearest(word, known); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return text
}
