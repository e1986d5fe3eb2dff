/** The file that says of a folder's services what a Dockerfile does not. */
export const CONFIG_FILE_NAME = 'bluegreen.json';
