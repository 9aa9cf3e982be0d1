/** The width of the panel beside the list, in pixels. */
export const PANEL = 460
