// Dark or light as the viewer chose, else as his system has it. Set when it changes and no oftener: the browser
// then works out the style of everything again.
export default {
  template: `<span hidden></span>`,
  mounted() {
    window.asterTheme ??= (dark) => {
      const name = dark ? "dark" : "light";
      document.cookie = `aster_theme=${name};path=/;max-age=31536000;samesite=strict`;
      setDark(dark);
    };
    const chosen = document.cookie.match(/(?:^|; )aster_theme=(dark|light)/);
    if (chosen) setDark(chosen[1] === "dark");
  },
};
